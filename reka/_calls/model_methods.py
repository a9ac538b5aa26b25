"""The methods of both clients for models; the client that has them sends their calls."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

from reka._calls import host_models
from reka._calls.capabilities import ServerCapabilities
from reka._calls.flow import Flow
from reka._inputs.validation import non_empty_string
from reka.types import Model

T = TypeVar("T")


class ModelMethods(ABC):
    """List and describe models."""

    def get_models(self) -> list[str]:
        """List the names of the models that this key may use.

        Source: documented, and as `list_models` in the vendor's package; both names are one function.
        """
        return self._run(lambda _: host_models.list_models())

    list_models = get_models

    def describe_models(self) -> list[Model]:
        """Describe the models that this key may use: limits, modalities, features and prices.

        What the server does not say of a model comes from a built-in table, if that has it. The client remembers what
        the server says: it then refuses media and tools that a model does not take, and computes the cost of answers.

        Raises:
            RekaError: The server has no list of models, or it failed; see `reka.errors`.

        Source: `GET /v1/models`, else `GET /models`.
        """
        return self._run(host_models.describe_models)

    def describe_model(self, name: str) -> Model:
        """Describe one model, as `describe_models` does.

        Args:
            name: Name of the model. If the server has no list of models, the built-in table describes it.

        Raises:
            NotFoundError: The server has no such model; the message lists those it has, nearest first.
            RekaError: Any other failure; see `reka.errors`.
        """
        return self._run(partial(host_models.describe_model, non_empty_string(name, "name")))

    @abstractmethod
    def _run(self, flow: Callable[[ServerCapabilities], Flow[T]]) -> T:
        """Run a flow on the client's server."""


class AsyncModelMethods(ABC):
    """Async twin of `ModelMethods`."""

    async def get_models(self) -> list[str]:
        """Async twin of `Reka.get_models`."""
        return await self._run(lambda _: host_models.list_models())

    list_models = get_models

    async def describe_models(self) -> list[Model]:
        """Async twin of `Reka.describe_models`."""
        return await self._run(host_models.describe_models)

    async def describe_model(self, name: str) -> Model:
        """Async twin of `Reka.describe_model`."""
        return await self._run(partial(host_models.describe_model, non_empty_string(name, "name")))

    @abstractmethod
    def _run(self, flow: Callable[[ServerCapabilities], Flow[T]]) -> Awaitable[T]:
        """Run a flow on the client's server."""
