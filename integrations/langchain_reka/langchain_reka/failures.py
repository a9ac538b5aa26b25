"""Errors of the client, with what only this package knows: which message it was, and how to get a dataset ready."""

from collections.abc import Mapping, Sequence
from typing import Any

import reka
from langchain_reka.messages import beyond_turns


class explained:  # noqa: N801  # used like a function, as context managers are
    """Add the message that asks too much, or the commands that prepare a dataset, to an error raised inside.

    Args:
        dataset: The dataset that is asked, if any.
        messages: The converted messages of the call.
    """

    __slots__ = ("_dataset", "_messages")

    def __init__(self, dataset: str | None, messages: Sequence[Mapping[str, Any]] = ()) -> None:
        self._dataset = dataset
        self._messages = messages

    def __enter__(self) -> None:
        """Begin."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        """Raise what is better than `error`, if there is something."""
        if isinstance(error, reka.UnsupportedRequestError):
            place = beyond_turns(self._messages)
            if place is not None:
                raise reka.UnsupportedRequestError(f"{error.message} ({place})") from error
        elif isinstance(error, reka.RetrievalError) and self._dataset is not None:
            raise reka.RetrievalError(
                f"{error.message.rstrip('.')}. To upload and prepare it: `reka datasets add FILES --name "
                f"{self._dataset}` and `reka retrieval prepare {self._dataset} --wait`, or RekaRetriever.from_files",
                error.status_code,
                error.request_id,
                error.retry_after,
            ) from error
