"""Errors of the client, with what only this package knows: which message it was, and how to get a dataset ready."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import reka
from langchain_reka.messages import beyond_turns


@contextmanager
def explained(dataset: str | None, messages: Sequence[Mapping[str, Any]] = ()) -> Iterator[None]:
    """Add the message that asks too much, or the commands that prepare a dataset, to an error raised inside.

    Args:
        dataset: The dataset that is asked, if any.
        messages: The converted messages of the call.
    """
    try:
        yield
    except reka.UnsupportedRequestError as error:
        place = beyond_turns(messages)
        if place is None:
            raise
        raise reka.UnsupportedRequestError(f"{error.message} ({place})") from error
    except reka.RetrievalError as error:
        if dataset is None:
            raise
        raise reka.RetrievalError(
            f"{error.message.rstrip('.')}. To upload and prepare it: `reka datasets add FILES --name {dataset}` and "
            f"`reka retrieval prepare {dataset} --wait`, or RekaRetriever.from_files",
            error.status_code,
            error.request_id,
            error.retry_after,
        ) from error
