"""Request bodies: limited in size, and parsed off the event loop when large."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Final, Protocol, TypeVar

from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from reka.server.errors import TooLargeError
from reka.server.http.json_items import JsonItems
from reka.server.settings import KIB, MIB, Settings

T = TypeVar("T")
Body = TypeVar("Body", bound=BaseModel)

_INLINE_BYTES: Final = 16 * KIB
"""Largest body parsed on the event loop: parsing it takes no longer than a hop to a thread (ours)."""

_ENVELOPE_BYTES: Final = 1 * MIB
"""Bytes of the multipart envelope around a file, and of the fields beside it (ours)."""

_BLOCK_BYTES: Final = 1 * MIB
"""Bytes handed to a thread at a time: each hop costs about 50 microseconds (ours)."""


class BodyReader:
    """Reads the JSON bodies of one server's requests."""

    def __init__(self, limits: Settings) -> None:
        self._limits = limits
        # The parser holds the interpreter's lock, so other requests must come between two large bodies.
        self._one_large_body = asyncio.Lock()

    async def read(self, request: Request, kind: type[Body]) -> Body:
        """Read and validate a JSON body.

        Raises:
            TooLargeError: The body has too many bytes, values or wide characters.
            ClientDisconnect: The client has disconnected.
            pydantic.ValidationError: The body does not match `kind`.
        """
        return await self.parse(request, kind.model_validate_json)

    async def parse(self, request: Request, parse: Callable[[bytearray], T]) -> T:
        """Read a JSON body, and parse it by a function of its own.

        Raises:
            TooLargeError: The body has too many bytes, values or wide characters.
            ClientDisconnect: The client has disconnected.
            Exception: Anything that `parse` raises.
        """
        body = await self._read_bytes(request)
        if len(body) <= _INLINE_BYTES:
            return parse(body)
        async with self._one_large_body:
            if await request.is_disconnected():
                raise ClientDisconnect
            return await run_in_threadpool(parse, body)

    async def _read_bytes(self, request: Request) -> bytearray:
        most = self._limits.max_body_bytes
        _check_length(request, most)
        body, items, counted = bytearray(), JsonItems(), 0
        async for block in request.stream():
            body += block
            if len(body) > most:
                raise _too_large(most)
            if len(body) > _INLINE_BYTES:  # a smaller body has few values
                items.feed(bytes(body[counted:]))
                counted = len(body)
                self._check(items)
        return body

    def _check(self, items: JsonItems) -> None:
        if items.count > (most := self._limits.max_json_items):
            raise TooLargeError(f"the request's body has more than {most} values, the most this server takes")
        if items.wide_bytes > (most := self._limits.max_wide_text_bytes):
            raise TooLargeError(
                f"the request's body has more than {most} bytes of text that is not plain ASCII, the most this server "
                "takes"
            )


class Feedable(Protocol):
    """Takes a body block by block, off the event loop."""

    def feed(self, block: bytes) -> None:
        """Take the next bytes."""
        ...


async def read_upload(request: Request, upload: Feedable, max_file_bytes: int) -> None:
    """Read an upload as it streams in; `upload.finish` then validates the whole.

    Args:
        request: The request.
        upload: Takes the body.
        max_file_bytes: Maximum size of the file in it, which the upload itself counts exactly.

    Raises:
        RefusedError: The body is not what the upload takes; TooLargeError if it has too many bytes.
    """
    _check_length(request, max_file_bytes + _ENVELOPE_BYTES)
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
