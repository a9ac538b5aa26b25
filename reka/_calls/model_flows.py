"""Models that a server does not have: another one for the default, a list of names for the caller's."""

import logging
from collections.abc import Callable
from dataclasses import replace
from difflib import SequenceMatcher
from typing import Any, Final

from reka._calls import endpoints
from reka._calls.capabilities import ServerCapabilities
from reka._calls.flow import Flow
from reka._inputs.chat_request import ChatRequest
from reka._protocol.errors import ENDPOINT_MISSING, is_missing_model
from reka.errors import APIStatusError, RekaError
from reka.types import ChatCompletion

_LOG: Final = logging.getLogger("reka")
_NAMES_SHOWN: Final = 10
_LIKE: Final = 0.6
"""Likeness of two names above which one may be meant for the other."""


def lacks_model(error: APIStatusError, model: str | None) -> bool:
    """Whether an error says that the server does not have a model.

    Args:
        error: The error of a chat.
        model: Name of the model; None for any.
    """
    return is_missing_model(error.status_code, error.code, error.message, model)


def list_models(*, v1_first: bool = False) -> Flow[list[str]]:
    """List the names of the server's models, at whichever address it has."""
    first, other = endpoints.get_models, endpoints.get_v1_models
    if v1_first:
        first, other = other, first
    try:
        names: list[str] = yield first()
    except APIStatusError as error:
        if error.status_code not in ENDPOINT_MISSING:
            raise
        missing = error
    else:
        return names
    try:
        names = yield other()
    except APIStatusError:
        raise missing from None
    return names


def with_existing_model(
    request: ChatRequest, capabilities: ServerCapabilities, send: Callable[[ChatRequest], Flow[Any]]
) -> Flow[Any]:
    """Send a request; if the server lacks its default model, once more with the nearest that it has.

    A model that the caller named is never replaced: the error then lists the server's models, nearest first.
    """
    if not request.names_model and capabilities.default_model is not None:
        return (yield from _named(send, request, capabilities.default_model))
    try:
        return (yield from send(request))
    except APIStatusError as error:
        if not lacks_model(error, request.model):
            raise
        missing = error
    try:
        names = yield from list_models(v1_first=True)
    except RekaError:
        raise missing from None
    names = nearest_first(request.model, names)
    if request.names_model or not names:
        raise _with_names(missing, names) from None
    _LOG.warning("the server has no model %s; using %s (set reka.MODEL or REKA_MODEL)", request.model, names[0])
    answer = yield from _named(send, request, names[0])
    capabilities.default_model = names[0]
    return answer


def nearest_first(model: str, names: list[str]) -> list[str]:
    """Sort names by their likeness to a model's: its family first."""

    def likeness(name: str) -> float:
        return SequenceMatcher(None, model, name).ratio()

    family = [name for name in names if name.startswith(model)]
    others = [name for name in names if not name.startswith(model)]
    if any(likeness(name) > _LIKE for name in others):
        others.sort(key=likeness, reverse=True)
    return family + others


def _named(send: Callable[[ChatRequest], Flow[Any]], request: ChatRequest, model: str) -> Flow[Any]:
    answer = yield from send(replace(request, model=model))
    if isinstance(answer, ChatCompletion) and answer.model is None:
        return replace(answer, model=model)
    return answer


def _with_names(error: APIStatusError, names: list[str]) -> APIStatusError:
    shown = ", ".join(names[:_NAMES_SHOWN]) + (", ..." if len(names) > _NAMES_SHOWN else "")
    message = f"{error.message.rstrip('.')}; the server has {shown or 'no models'}"
    named = type(error)(message, *error.args[1:])
    vars(named).update({**vars(error), "message": message})
    return named
