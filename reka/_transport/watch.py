"""The time an upload has under asyncio: aiohttp bounds the wait for an answer, but not a server that stops reading."""

import asyncio
import time
from collections.abc import Coroutine
from dataclasses import replace
from typing import Any, TypeVar

from reka._calls.call import Upload
from reka.config import Timeout
from reka.errors import APITimeoutError

T = TypeVar("T")


class UploadWatchdog:
    """Ends an upload that makes no progress, or whose answer is not there in time.

    Args:
        upload: What is sent.
        timeout: Its `read` is the longest time without progress; its `total` is the answer's, once all is sent.
    """

    def __init__(self, upload: Upload, timeout: Timeout) -> None:
        self.upload = replace(upload, on_progress=self._made)
        self._told = upload.on_progress
        self._timeout = timeout
        self._limit = timeout.read
        self._since = time.monotonic()

    async def run(self, sending: Coroutine[Any, Any, T], request_line: str) -> T:
        """Wait for what sends `upload`.

        Args:
            sending: Sends it, and reads the answer.
            request_line: What it is, for the error.

        Raises:
            APITimeoutError: There was no progress for too long.
        """
        task = asyncio.ensure_future(sending)
        try:
            while not task.done():
                left = self._since + self._limit - time.monotonic()
                if left <= 0:
                    raise APITimeoutError(f"{request_line}: no progress for {self._limit:g} s")
                await asyncio.wait({task}, timeout=left)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
        return task.result()

    def _made(self, sent: int, size: int | None) -> None:
        self._since = time.monotonic()
        if sent == size:
            self._limit = self._timeout.total
        if self._told is not None:
            self._told(sent, size)
