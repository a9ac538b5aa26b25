"""Bodies as they come in: a limited number of bytes, and no work on the event loop."""

from collections.abc import AsyncIterator
from typing import Final, TypeVar

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from reka.server.errors import TooLargeError
from reka.server.ingest.upload import Upload
from reka.server.settings import KIB, MIB, Settings

Body = TypeVar("Body", bound=BaseModel)

_SMALL: Final = 16 * KIB
"""Bytes of a body that is checked at once: that takes no longer than to hand it to a thread (ours)."""

_BLOCK: Final = 1 * MIB
"""Bytes that are handed to a thread at a time: each time costs some 50 microseconds (ours)."""


async def read_body(request: Request, kind: type[Body], limit: int) -> Body:
    """Read and check a JSON body.

    Raises:
        TooLargeError: It has more than `limit` bytes.
        pydantic.ValidationError: It is not what is asked with.
    """
    _check_length(request, limit)
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > limit:
            raise _too_large(limit)
    if len(body) <= _SMALL:
        return kind.model_validate_json(body)
    return await run_in_threadpool(kind.model_validate_json, body)


async def read_upload(request: Request, upload: Upload, limits: Settings) -> None:
    """Read a dataset as it streams in; `upload.finish` then checks the whole.

    Raises:
        Refused: It is no dataset; TooLarge if it has too many bytes.
    """
    # Room for what a multipart body has around the file; the file itself is counted exactly.
    _check_length(request, limits.max_upload_bytes + limits.max_description_bytes + MIB)
    async for block in _blocks(request):
        await run_in_threadpool(upload.feed, block)


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    gathered = bytearray()
    async for block in request.stream():
        gathered += block
        if len(gathered) >= _BLOCK:
            yield bytes(gathered)
            gathered.clear()
    yield bytes(gathered)


def _check_length(request: Request, limit: int) -> None:
    """Refuse a body that says it is too large before any of it is read."""
    told = request.headers.get("content-length", "")
    if told.isdecimal() and int(told) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the request's body has more than {limit} bytes, the most this server takes")
