"""Request bodies: limited in size, and parsed off the event loop when large."""

from collections.abc import AsyncIterator
from typing import Final, TypeVar

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from reka.server.errors import TooLargeError
from reka.server.ingest.upload import Upload
from reka.server.settings import KIB, MIB, Settings

Body = TypeVar("Body", bound=BaseModel)

_INLINE_BYTES: Final = 16 * KIB
"""Largest body parsed on the event loop: parsing it takes no longer than a hop to a thread (ours)."""

_BLOCK_BYTES: Final = 1 * MIB
"""Bytes handed to a thread at a time: each hop costs about 50 microseconds (ours)."""


async def read_body(request: Request, kind: type[Body], limit: int) -> Body:
    """Read and validate a JSON body.

    Raises:
        TooLargeError: The body has more than `limit` bytes.
        pydantic.ValidationError: The body does not match `kind`.
    """
    _check_length(request, limit)
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > limit:
            raise _too_large(limit)
    if len(body) <= _INLINE_BYTES:
        return kind.model_validate_json(body)
    return await run_in_threadpool(kind.model_validate_json, body)


async def read_upload(request: Request, upload: Upload, limits: Settings) -> None:
    """Read a dataset upload as it streams in; `upload.finish` then validates the whole.

    Raises:
        RefusedError: The body is not a dataset; TooLargeError if it has too many bytes.
    """
    # Allowance for the multipart envelope around the file; the file itself is counted exactly.
    _check_length(request, limits.max_upload_bytes + limits.max_description_bytes + MIB)
    async for block in _blocks(request):
        await run_in_threadpool(upload.feed, block)


async def _blocks(request: Request) -> AsyncIterator[bytes]:
    buffer = bytearray()
    async for block in request.stream():
        buffer += block
        if len(buffer) >= _BLOCK_BYTES:
            yield bytes(buffer)
            buffer.clear()
    yield bytes(buffer)


def _check_length(request: Request, limit: int) -> None:
    """Refuse a body whose Content-Length exceeds `limit` before any of it is read."""
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length) > limit:
        raise _too_large(limit)


def _too_large(limit: int) -> TooLargeError:
    return TooLargeError(f"the request's body has more than {limit} bytes, the most this server takes")
