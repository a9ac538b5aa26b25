"""Types of the arguments and results of the public functions. Plain values, no I/O."""

from typing import TYPE_CHECKING

from reka.types.callbacks import OnEvent, OnProgress, RequestEvent
from reka.types.completion import (
    ChatCompletion,
    ChatEvent,
    Citation,
    Finish,
    Message,
    ReasoningDelta,
    StreamEvent,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    Usage,
)
from reka.types.datasets import (
    DatasetInfo,
    DatasetResult,
    DeleteDocumentsResult,
    Document,
    DocumentInfo,
    PutDocumentsResult,
    RetrievalMode,
)
from reka.types.models import Model, Pricing
from reka.types.options import Api, ChatOptions, CompletionOptions, Form, FormChoice, ReasoningEffort
from reka.types.retrieval import JobStatus, OnUpdate, PrepareRetrievalStatusResponse, RetrievedChunk
from reka.types.turns import HumanTurn, ModelTurn, Turn

if TYPE_CHECKING:
    from reka.types.sdk3 import *  # noqa: F403

__all__ = [
    "Api",
    "ChatCompletion",
    "ChatEvent",
    "ChatOptions",
    "Citation",
    "CompletionOptions",
    "DatasetInfo",
    "DatasetResult",
    "DeleteDocumentsResult",
    "Document",
    "DocumentInfo",
    "Finish",
    "Form",
    "FormChoice",
    "HumanTurn",
    "JobStatus",
    "Message",
    "Model",
    "ModelTurn",
    "OnEvent",
    "OnProgress",
    "OnUpdate",
    "PrepareRetrievalStatusResponse",
    "Pricing",
    "PutDocumentsResult",
    "ReasoningDelta",
    "ReasoningEffort",
    "RequestEvent",
    "RetrievalMode",
    "RetrievedChunk",
    "StreamEvent",
    "TextDelta",
    "ToolCall",
    "ToolCallDelta",
    "Turn",
    "Usage",
]

SDK3_NAMES = frozenset(
    {
        "ChatMessage",
        "ChatMessageChunk",
        "ChatMessageChunkContentItem",
        "ChatMessageInputContentItem",
        "ChatMessageOutputContentItem",
        "ChatResponse",
        "ChatRole",
        "ChunkChatResponse",
        "ChunkMessageResponse",
        "Content",
        "FinishReason",
        "HttpValidationError",
        "MediaType",
        "MessageResponse",
        "Tool",
        "ToolChoice",
        "ToolOutput",
        "TypedMediaContent",
        "TypedText",
        "ValidationError",
        "ValidationErrorLocItem",
    }
)
"""Types of `reka-api` 3, loaded at first use: they are pydantic's."""

if not TYPE_CHECKING:

    def __getattr__(name: str) -> object:
        if name not in SDK3_NAMES:
            raise AttributeError(f"module 'reka.types' has no attribute {name!r}")
        from reka.types import sdk3

        return getattr(sdk3, name)
