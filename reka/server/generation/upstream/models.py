"""The list of an upstream's models, kept for a while."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, TypeAlias

import anyio

from reka._protocol.models import listed_models, model_fields, read_model
from reka.server.generation.types import GenerationError

__all__ = ["ModelList", "read_models"]

MAX_AGE: Final = 60.0
TIMEOUT: Final = 5.0
# Both are ours.

Models: TypeAlias = Mapping[str, Mapping[str, Any]]
"""The fields of each model, by its name."""


class ModelList:
    """Fetches the list when it is needed; callers at the same time share one request.

    Args:
        fetch: Requests the list, and returns the JSON value of the response; raises `GenerationError`.
        url: Address of the upstream, for messages.
        max_age: Seconds after which the list is fetched again when it is needed.
        timeout: Seconds within which it must arrive.
    """

    def __init__(
        self, fetch: Callable[[], Awaitable[Any]], url: str, *, max_age: float = MAX_AGE, timeout: float = TIMEOUT
    ) -> None:
        self.known: Models = {}
        """The list as it last came; empty if it never did."""
        self._fetch = fetch
        self._url = url
        self._max_age = max_age
        self._timeout = timeout
        self._fetched_at = float("-inf")
        self._error: GenerationError | None = None
        self._fetching: asyncio.Task[None] | None = None

    async def get(self) -> Models:
        """Return the list, at most `max_age` old, or older if the upstream does not give it now.

        Raises:
            GenerationError: The upstream has never given the list, or lists no model.
        """
        if self.known and time.monotonic() < self._fetched_at + self._max_age:
            return self.known
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._update())
        # Shielded: whoever is cancelled is not the only one who waits.
        await asyncio.shield(self._fetching)
        if not self.known and self._error is not None:
            raise self._error
        return self.known

    async def close(self) -> None:
        """Cancel a request that is under way."""
        if self._fetching is not None:
            self._fetching.cancel()

    async def _update(self) -> None:
        try:
            with anyio.fail_after(self._timeout):
                models = read_models(await self._fetch())
            self._error = GenerationError(
                502, f"the upstream {self._url} lists no model: set one with --upstream-model"
            )
            self.known = models or self.known
        except TimeoutError:
            self._error = GenerationError(504, f"the upstream {self._url} did not list its models in time")
        except GenerationError as error:
            self._error = error
        finally:
            self._fetched_at, self._fetching = time.monotonic(), None


def read_models(response: object) -> Models:
    """Read a list of models: the upstream's fields, and Reka's names of those that it names otherwise."""
    return {
        name: {**fields, **model_fields(read_model(fields))} for name, fields in (listed_models(response) or {}).items()
    }
