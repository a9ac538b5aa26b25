"""Bodies as they come in: a limited number of bytes, and no work on the event loop."""

from collections.abc import AsyncIterator
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from reka.server.chat import ChatBody
from reka.server.errors import TooLarge
from reka.server.settings import MIB, Settings
from reka.server.uploads import Received, Upload

_BLOCK: Final = 1 * MIB
"""Bytes that are handed to a thread at a time: each time costs some 50 microseconds (ours)."""


async def read_chat(request: Request, limit: int) -> ChatBody:
    """Read and check the body of a chat.

    Raises:
        TooLarge: It has more than `limit` bytes.
        pydantic.ValidationError: It is not what a chat is asked with.
    """
    _check_length(request, limit)
    body = bytearray()
    async for block in request.stream():
        body += block
        if len(body) > limit:
            raise _too_large(limit)
    return await run_in_threadpool(ChatBody.model_validate_json, body)


async def read_upload(request: Request, upload: Upload, limits: Settings) -> Received:
    """Read a dataset as it streams in.

    Raises:
        Refused: It is no dataset; TooLarge if it has too many bytes.
    """
    # Room for what a multipart body has around the file; the file itself is counted exactly.
    _check_length(request, limits.max_upload_bytes + limits.max_description_bytes + MIB)
    async for block in _blocks(request):
        await run_in_threadpool(upload.feed, block)
    return await run_in_threadpool(upload.finish)


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


def _too_large(limit: int) -> TooLarge:
    return TooLarge(f"the request's body has more than {limit} bytes, the most this server takes")
