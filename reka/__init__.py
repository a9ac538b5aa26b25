"""The Python client for Reka's multimodal language-model API.

    import reka

    reka.BASE_URL = "local"  # a server inside this process: no key, no network
    reka.chat("Hi, my name is John.")  # {"type": "model", "text": ...}

The functions of this module are methods of one client of its own, which looks up its key and address when it is
called: `reka.API_KEY` and `reka.BASE_URL`, else the environment's REKA_API_KEY, and REKA_BASE_URL or REKA_SERVER.
`Reka` is the same as a class.
"""

from typing import TYPE_CHECKING

from reka._lazy import IMPORTING
from reka._version import __version__
from reka.config import Timeout
from reka.errors import (
    AuthError,
    DatasetError,
    InvalidArgumentError,
    InvalidConversationError,
    RekaError,
    RetrievalError,
    StreamInterruptedError,
    UnexpectedResponseError,
    UnsupportedRequestError,
    WaitTimeoutError,
)
from reka.types import (
    SDK3_NAMES,
    Api,
    ChatCompletion,
    ChatEvent,
    ChatOptions,
    Citation,
    CompletionOptions,
    DatasetInfo,
    DatasetResult,
    DeleteDocumentsResult,
    Document,
    DocumentInfo,
    Finish,
    Form,
    FormChoice,
    HumanTurn,
    JobStatus,
    Message,
    Model,
    ModelTurn,
    OnEvent,
    OnProgress,
    OnUpdate,
    PrepareRetrievalStatusResponse,
    Pricing,
    PutDocumentsResult,
    ReasoningDelta,
    ReasoningEffort,
    RequestEvent,
    RetrievalMode,
    RetrievedChunk,
    StreamEvent,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Turn,
    Usage,
)

if TYPE_CHECKING:
    from reka import adapters, errors, media
    from reka.async_client import AsyncReka
    from reka.client import Reka
    from reka.environment import RekaEnvironment as RekaEnvironment
    from reka.errors import (
        APIConnectionError,
        APIStatusError,
        APITimeoutError,
        InsufficientBalanceError,
        InvalidRequestError,
        NotFoundError,
        PermissionDeniedError,
        RateLimitError,
        ServerError,
    )
    from reka.errors.api_error import UnprocessableEntityError as UnprocessableEntityError
    from reka.module_api import (
        add_dataset,
        add_folder,
        chat,
        complete,
        delete_dataset,
        delete_documents,
        describe_dataset,
        describe_model,
        describe_models,
        embed,
        ensure_dataset,
        export_dataset,
        get_documents,
        get_models,
        list_datasets,
        list_documents,
        list_models,
        prepare_retrieval,
        put_documents,
        retrieval_job_status,
        retrieve,
        stream,
        stream_messages,
        wait_for_retrieval,
    )
    from reka.types.sdk3 import *  # noqa: F403

__all__ = [
    "API_KEY",
    "BASE_URL",
    "MODEL",
    "APIConnectionError",
    "APIStatusError",
    "APITimeoutError",
    "Api",
    "AsyncReka",
    "AuthError",
    "ChatCompletion",
    "ChatEvent",
    "ChatOptions",
    "Citation",
    "CompletionOptions",
    "DatasetError",
    "DatasetInfo",
    "DatasetResult",
    "DeleteDocumentsResult",
    "Document",
    "DocumentInfo",
    "Finish",
    "Form",
    "FormChoice",
    "HumanTurn",
    "InsufficientBalanceError",
    "InvalidArgumentError",
    "InvalidConversationError",
    "InvalidRequestError",
    "JobStatus",
    "Message",
    "Model",
    "ModelTurn",
    "NotFoundError",
    "OnEvent",
    "OnProgress",
    "OnUpdate",
    "PermissionDeniedError",
    "PrepareRetrievalStatusResponse",
    "Pricing",
    "PutDocumentsResult",
    "RateLimitError",
    "ReasoningDelta",
    "ReasoningEffort",
    "Reka",
    "RekaError",
    "RequestEvent",
    "RetrievalError",
    "RetrievalMode",
    "RetrievedChunk",
    "ServerError",
    "StreamEvent",
    "StreamInterruptedError",
    "TextDelta",
    "Timeout",
    "ToolCall",
    "ToolCallDelta",
    "Turn",
    "UnexpectedResponseError",
    "UnsupportedRequestError",
    "Usage",
    "WaitTimeoutError",
    "__version__",
    "adapters",
    "add_dataset",
    "add_folder",
    "chat",
    "complete",
    "delete_dataset",
    "delete_documents",
    "describe_dataset",
    "describe_model",
    "describe_models",
    "embed",
    "ensure_dataset",
    "errors",
    "export_dataset",
    "get_documents",
    "get_models",
    "list_datasets",
    "list_documents",
    "list_models",
    "media",
    "prepare_retrieval",
    "put_documents",
    "retrieval_job_status",
    "retrieve",
    "stream",
    "stream_messages",
    "wait_for_retrieval",
]

API_KEY: str | None
"""The key of the functions in this module; until it is set, and if it is None, the environment's REKA_API_KEY."""

MODEL: str | None = None
"""Model of a chat that names none; None reads the environment's REKA_MODEL, else it is `reka-flash`."""

BASE_URL: str | None = None
"""The server of the functions in this module; None reads the environment, else it is Reka's own host."""


_SERVER: str
"""As in `reka-api` 2: the address of the functions in this module. Setting it is setting `BASE_URL`."""

_CLIENT: "Reka"
"""Whose methods the functions are. It has no value here: readers of annotations, such as pdoc, find by it what is
imported for type checkers alone, and with that the functions."""

_HOMES = {
    "AsyncReka": "reka.async_client",
    "Reka": "reka.client",
    "RekaEnvironment": "reka.environment",
    "UnprocessableEntityError": "reka.errors",
    **dict.fromkeys(SDK3_NAMES, "reka.types"),
}
_MODULES = frozenset({"adapters", "api", "core", "errors", "media", "v2"})
_LIVE = frozenset({"API_KEY", "_SERVER"})

if not TYPE_CHECKING:  # so that a type checker still finds misspelt names

    def __getattr__(name: str) -> object:
        if name in _LIVE:
            return _live_setting(name)
        # The clients bring requests, several times what the rest of this package costs to import.
        if name not in __all__ and name not in _HOMES and name not in _MODULES:
            raise AttributeError(f"module 'reka' has no attribute {name!r}")
        from importlib import import_module

        home = _HOMES.get(name) or ("reka.errors" if name.endswith("Error") else "reka.module_api")
        with IMPORTING:
            return import_module(f"reka.{name}") if name in _MODULES else getattr(import_module(home), name)


def _live_setting(name: str) -> str | None:
    """A setting that nobody has set: what the environment says now."""
    from reka.endpoint import current_address, environment

    return environment("REKA_API_KEY") if name == "API_KEY" else current_address()


def __dir__() -> list[str]:
    return sorted(__all__)
