"""Errors that derive both from `reka`'s class and from LangChain's class for the same failure.

LangChain's class sets `is_retryable`, by which LangChain's agents decide whether to retry:

    reka.RateLimitError, ServerError, APIConnectionError, APITimeoutError,      True
    StreamInterruptedError, UnexpectedResponseError
    all others                                                                  False
"""

import re
from collections.abc import Mapping
from typing import Final

from langchain_core import exceptions as langchain

import reka
from reka.adapters import with_prepare_hint


class AuthError(reka.AuthError, langchain.ModelAuthenticationError):
    """See `reka.AuthError`."""


class InvalidConversationError(reka.InvalidConversationError, langchain.ModelInvalidRequestError):
    """See `reka.InvalidConversationError`."""


class InvalidArgumentError(reka.InvalidArgumentError, langchain.ModelInvalidRequestError):
    """See `reka.InvalidArgumentError`."""


class UnsupportedRequestError(reka.UnsupportedRequestError, langchain.ModelInvalidRequestError):
    """See `reka.UnsupportedRequestError`."""


class DatasetError(reka.DatasetError, langchain.ModelInvalidRequestError):
    """See `reka.DatasetError`."""


class RetrievalError(reka.RetrievalError, langchain.ModelInvalidRequestError):
    """See `reka.RetrievalError`."""


class InvalidRequestError(reka.InvalidRequestError, langchain.ModelInvalidRequestError):
    """See `reka.InvalidRequestError`."""


class ContextOverflowError(
    reka.InvalidRequestError, langchain.ContextOverflowError, langchain.ModelInvalidRequestError
):
    """The messages are longer than the model's context window; LangChain's middleware summarizes them then."""


class PermissionDeniedError(reka.PermissionDeniedError, langchain.ModelPermissionDeniedError):
    """See `reka.PermissionDeniedError`."""


class InsufficientBalanceError(reka.InsufficientBalanceError, langchain.ModelPermissionDeniedError):
    """See `reka.InsufficientBalanceError`; LangChain would retry its own class for this status, 429."""


class NotFoundError(reka.NotFoundError, langchain.ModelNotFoundError):
    """See `reka.NotFoundError`."""


class RateLimitError(reka.RateLimitError, langchain.ModelRateLimitError):
    """See `reka.RateLimitError`."""


class ServerError(reka.ServerError, langchain.ModelAPIError):
    """See `reka.ServerError`."""


class UnexpectedResponseError(reka.UnexpectedResponseError, langchain.ModelAPIError):
    """See `reka.UnexpectedResponseError`."""


class APIConnectionError(reka.APIConnectionError, langchain.ModelConnectionError):
    """See `reka.APIConnectionError`."""


class StreamInterruptedError(reka.StreamInterruptedError, langchain.ModelConnectionError):
    """See `reka.StreamInterruptedError`."""


class APITimeoutError(reka.APITimeoutError, langchain.ModelTimeoutError):
    """See `reka.APITimeoutError`."""


_OVERFLOW_CODE: Final = "context_length_exceeded"
_OVERFLOW: Final = re.compile(
    r"(?i)context_length_exceeded|exceed_context_size|context (length|window|size)|prompt is too long"
    r"|longer than the model"
)
"""What hosts of the OpenAI protocol write about a prompt that is too long, most without the code (observed of vLLM,
SGLang, llama.cpp and OpenRouter)."""

_ADAPTER_CLASSES: Final[Mapping[type[reka.RekaError], type[reka.RekaError]]] = {
    adapter_class.__bases__[0]: adapter_class
    for adapter_class in (
        *(AuthError, InvalidConversationError, InvalidArgumentError, UnsupportedRequestError, DatasetError),
        *(
            RetrievalError,
            InvalidRequestError,
            PermissionDeniedError,
            InsufficientBalanceError,
            NotFoundError,
            RateLimitError,
        ),
        *(ServerError, UnexpectedResponseError, APIConnectionError, StreamInterruptedError, APITimeoutError),
    )
}
"""The class of this module for each class of `reka`."""


class translate_errors:  # noqa: N801  # used like a function, as context managers are
    """Context manager that re-raises a `reka` error as the class of this module.

    The error of a dataset also has the commands that prepare it.

    Args:
        dataset: Name of the retrieval dataset of the call, if any.
    """

    __slots__ = ("_dataset",)

    def __init__(self, dataset: str | None = None) -> None:
        self._dataset = dataset

    def __enter__(self) -> None:
        """Do nothing."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raise the translated error, if `error` is one of `reka` that is not translated yet."""
        if not isinstance(error, reka.RekaError) or isinstance(error, langchain.ModelError):
            return
        adapter_class = _adapter_class(error)
        if adapter_class is not None:
            # Further attributes, such as the reset time of a rate limit, are in `__dict__`, and for pickling in `args`.
            translated = adapter_class(self._message(error), error.status_code, error.request_id, error.retry_after)
            translated.__dict__.update({**error.__dict__, "message": translated.message})
            translated.args = (translated.message, *error.args[1:])
            raise translated from error

    def _message(self, error: reka.RekaError) -> str:
        if isinstance(error, reka.RetrievalError) and self._dataset is not None:
            return with_prepare_hint(error, self._dataset, "RekaRetriever.from_files").message
        return error.message


def _adapter_class(error: reka.RekaError) -> type[reka.RekaError] | None:
    if isinstance(error, reka.InvalidRequestError) and (
        error.code == _OVERFLOW_CODE or _OVERFLOW.search(error.message)
    ):
        return ContextOverflowError
    return next((_ADAPTER_CLASSES[base] for base in type(error).__mro__ if base in _ADAPTER_CLASSES), None)
