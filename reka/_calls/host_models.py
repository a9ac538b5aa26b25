"""What a server says of its models: asked, remembered, and applied to requests."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, Final, TypeVar

from reka._calls import endpoints
from reka._calls.call import Call
from reka._calls.capabilities import HostModels, ServerCapabilities
from reka._calls.flow import Brief, Flow, Sleep
from reka._inputs.chat_request import ChatRequest
from reka._lazy import IMPORTING
from reka._protocol.checks import require_utf8
from reka._protocol.errors import ENDPOINT_MISSING
from reka._protocol.models import model_of, with_table_facts
from reka.errors import APIStatusError, NotFoundError, RekaError, UnsupportedRequestError
from reka.types import Model

T = TypeVar("T")

_LOG: Final = logging.getLogger("reka")
_PATIENCE: Final = 5.0
"""Seconds that the first call to a server may wait for the list of its models (ours)."""

_POLL_SECONDS: Final = 0.01
_NO_LIST: Final = ENDPOINT_MISSING | {501}
"""Statuses of a server that has no list at an address."""

_NAMES_SHOWN: Final = 10
_LIKE: Final = 0.6
"""Likeness of two names above which one may be meant for the other."""


def list_models() -> Flow[list[str]]:
    """List the names of the server's models, at whichever address it has; the documented one first."""
    models = yield from _at_either(endpoints.get_models(), endpoints.get_v1_models())
    return [model.id for model in models]


def describe_models(capabilities: ServerCapabilities) -> Flow[list[Model]]:
    """Have a server describe its models, remember it, and fill what it does not say from the built-in table."""
    models = yield from _at_either(endpoints.get_v1_models(), endpoints.get_models())
    capabilities.models.learn(models)
    return [with_table_facts(model) for model in models]


def describe_model(name: str, capabilities: ServerCapabilities) -> Flow[Model]:
    """Describe one model: by the server's list, or by the built-in table if the server has no list.

    Raises:
        NotFoundError: The server has no such model.
    """
    try:
        models = yield from describe_models(capabilities)
    except APIStatusError as error:
        entry = model_of(name)
        if entry is None or error.status_code not in _NO_LIST:
            raise
        return replace(entry, id=name)
    for model in models:
        if model.id == name:
            return model
    names = nearest_first(name, [model.id for model in models])
    raise NotFoundError(f"there is no model {name!r}; the server has {names_in_words(names)}")


def learning_models(
    flow: Callable[[ServerCapabilities], Flow[T]], request: ChatRequest, capabilities: ServerCapabilities
) -> Flow[T]:
    """Run the flow of a request; if it is the first for a server, ask what that says of its models before."""
    return flow(capabilities) if capabilities.models.is_settled else _learn_before(flow, request, capabilities)


def with_host_facts(request: ChatRequest, capabilities: ServerCapabilities) -> ChatRequest:
    """Apply to a request what the server has said of its model: what it does not take, and its prices.

    Raises:
        UnsupportedRequestError: The model lacks tools, or does not take a medium.
    """
    model = capabilities.models.by_name.get(request.model) or Model(request.model)
    if capabilities.refusals != "none":
        _refuse_tools(request, model)
        _refuse_media(request, with_table_facts(model) if capabilities.refusals == "table" else model)
    return request if model.pricing is None else replace(request, pricing=model.pricing)


def nearest_first(model: str, names: list[str]) -> list[str]:
    """Sort names by their likeness to a model's: its family first."""
    with IMPORTING:
        from difflib import SequenceMatcher  # hardly ever needed

    def likeness(name: str) -> float:
        return SequenceMatcher(None, model, name).ratio()

    family = [name for name in names if name.startswith(model)]
    others = [name for name in names if not name.startswith(model)]
    if any(likeness(name) > _LIKE for name in others):
        others.sort(key=likeness, reverse=True)
    return family + others


def names_in_words(names: list[str]) -> str:
    """List names in a message, at most the first ten."""
    return ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "") or "no models"


def _at_either(
    first: Call[list[Model]], other: Call[list[Model]], as_step: Callable[[Call[Any]], Any] = lambda call: call
) -> Flow[list[Model]]:
    """Request a list at one address and, if it is not there, at the other."""
    try:
        models: list[Model] = yield as_step(first)
    except APIStatusError as error:
        if error.status_code not in _NO_LIST:
            raise
        missing = error
    else:
        return models
    try:
        models = yield as_step(other)
    except APIStatusError:
        raise missing from None
    return models


def _learn_before(
    flow: Callable[[ServerCapabilities], Flow[T]], request: ChatRequest, capabilities: ServerCapabilities
) -> Flow[T]:
    require_utf8(request.arguments())
    yield from _learn(capabilities.models)
    return (yield from flow(capabilities))


def _learn(models: HostModels) -> Flow[None]:
    """Ask a server for its models, once; whoever calls it meanwhile waits for the answer. Failures are silent."""
    end = time.monotonic() + _PATIENCE
    while not models.asking.acquire(blocking=False):
        if time.monotonic() > end:
            models.is_settled = True  # who asks is gone: its loop was stopped, or its thread is not in a forked child
            return
        yield Sleep(_POLL_SECONDS)
    try:
        if not models.is_settled:
            models.learn((yield from _ask(end)))
    finally:
        models.asking.release()


def _ask(end: float) -> Flow[Iterable[Model]]:
    def brief(call: Call[Any]) -> Brief:
        return Brief(call, max(0.1, end - time.monotonic()))

    try:
        return (yield from _at_either(endpoints.get_v1_models(), endpoints.get_models(), brief))
    except RekaError as error:
        _LOG.debug("the server does not describe its models: %s", error)
        return ()


def _refuse_tools(request: ChatRequest, model: Model) -> None:
    if model.supports("tools") is False and request.v1_fields.get("tools"):
        raise UnsupportedRequestError(
            f"tools: {model.id} does not support them, by the server's list of models; use another model"
        )


def _refuse_media(request: ChatRequest, model: Model) -> None:
    if model.input_modalities is None:
        return
    for index, kind in request.conversation.media():
        if model.takes(kind.removesuffix("_url")) is False:
            raise UnsupportedRequestError(
                f"message {index}: got {kind!r}, which {model.id} does not take (it takes "
                f"{', '.join(model.input_modalities)}); use another model"
            )
