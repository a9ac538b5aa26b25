"""Errors of the client as LangChain's own at once, with what only this package knows.

What this package raises is of `reka`'s class and of LangChain's for the same failure, whose `is_retryable` tells
LangChain's agents whether asking again can help:

    reka.RateLimitError, ServerError, APIConnectionError, APITimeoutError,      it can
    StreamInterruptedError, UnexpectedResponseError
    every other                                                                 it cannot
"""

from collections.abc import Mapping, Sequence
from typing import Final

from langchain_core import exceptions as langchain
from langchain_core.messages import BaseMessage

import reka
from langchain_reka.messages import first_v1_only_block
from reka.adapters import with_prepare_hint


class AuthError(reka.AuthError, langchain.ModelAuthenticationError):
    """See `reka.AuthError`."""


class InvalidConversationError(reka.InvalidConversationError, langchain.ModelInvalidRequestError):
    """See `reka.InvalidConversationError`."""


class InvalidArgumentError(reka.InvalidArgumentError, langchain.ModelInvalidRequestError):
    """See `reka.InvalidArgumentError`."""


class UnsupportedRequestError(reka.UnsupportedRequestError, langchain.ModelInvalidRequestError):
    """See `reka.UnsupportedRequestError`."""


class RetrievalError(reka.RetrievalError, langchain.ModelInvalidRequestError):
    """See `reka.RetrievalError`."""


class InvalidRequestError(reka.InvalidRequestError, langchain.ModelInvalidRequestError):
    """See `reka.InvalidRequestError`."""


class PermissionDeniedError(reka.PermissionDeniedError, langchain.ModelPermissionDeniedError):
    """See `reka.PermissionDeniedError`."""


class InsufficientBalanceError(reka.InsufficientBalanceError, langchain.ModelPermissionDeniedError):
    """See `reka.InsufficientBalanceError`; LangChain's class for this status, 429, would be tried again."""


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


_BOTH: Final[Mapping[type[reka.RekaError], type[reka.RekaError]]] = {
    both.__bases__[0]: both
    for both in (
        *(AuthError, InvalidConversationError, InvalidArgumentError, UnsupportedRequestError, RetrievalError),
        *(InvalidRequestError, PermissionDeniedError, InsufficientBalanceError, NotFoundError, RateLimitError),
        *(ServerError, UnexpectedResponseError, APIConnectionError, StreamInterruptedError, APITimeoutError),
    )
}


class translate_errors:  # noqa: N801  # used like a function, as context managers are
    """Make a client's error that is raised inside LangChain's too, and add to it what the client does not know.

    That is the message that asks too much, and the commands that prepare a dataset.

    Args:
        dataset: The dataset that is asked, if any.
        messages: The messages of the call.
    """

    __slots__ = ("_dataset", "_messages")

    def __init__(self, dataset: str | None = None, messages: Sequence[BaseMessage] = ()) -> None:
        self._dataset = dataset
        self._messages = messages

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raise what is better than `error`, if there is something."""
        if not isinstance(error, reka.RekaError) or isinstance(error, langchain.ModelError):
            return
        both = next((_BOTH[kind] for kind in type(error).__mro__ if kind in _BOTH), None)
        if both is not None:
            # Whatever else an error has, such as a rate limit's end, is in its attributes, and for pickles in its args.
            better = both(self._message(error), error.status_code, error.request_id, error.retry_after)
            better.__dict__.update({**error.__dict__, "message": better.message})
            better.args = (better.message, *error.args[1:])
            raise better from error

    def _message(self, error: reka.RekaError) -> str:
        if isinstance(error, reka.UnsupportedRequestError):
            place = first_v1_only_block(self._messages)
            return error.message if place is None else f"{error.message} ({place})"
        if isinstance(error, reka.RetrievalError) and self._dataset is not None:
            return with_prepare_hint(error, self._dataset, "RekaRetriever.from_files").message
        return error.message
