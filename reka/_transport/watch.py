"""Time limits of an upload under asyncio: aiohttp limits the wait for a response, not a server that stops reading."""

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
    """Cancels an upload that makes no progress, or whose response does not arrive in time.

    Args:
        upload: The upload.
        timeout: `read` limits the time without progress, `total` the wait for the response once all is sent.
    """

    def __init__(self, upload: Upload, timeout: Timeout) -> None:
        self.upload = replace(upload, on_progress=self._record_progress)
        self._on_progress = upload.on_progress
        self._timeout = timeout
        self._limit = timeout.read
        self._since = time.monotonic()

    async def run(self, sending: Coroutine[Any, Any, T], request_line: str) -> T:
        """Run the coroutine that sends `upload`.

        Args:
            sending: Sends the upload and reads the response.
            request_line: Method and URL, for the error.

        Raises:
            APITimeoutError: No progress for too long.
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

    def _record_progress(self, sent: int, size: int | None) -> None:
        self._since = time.monotonic()
        if sent == size:
            self._limit = self._timeout.total
        if self._on_progress is not None:
            self._on_progress(sent, size)
