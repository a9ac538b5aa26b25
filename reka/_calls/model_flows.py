"""Models that a server does not have: another one for the default, a list of names for the caller's."""

import logging
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

from reka._calls.capabilities import ServerCapabilities
from reka._calls.flow import Flow
from reka._calls.host_models import describe_models, names_in_words, nearest_first
from reka._inputs.chat_request import ChatRequest
from reka._protocol.errors import is_missing_model
from reka.errors import APIStatusError, RekaError
from reka.types import ChatCompletion

_LOG: Final = logging.getLogger("reka")


def lacks_model(error: APIStatusError, model: str | None) -> bool:
    """Whether an error says that the server does not have a model.

    Args:
        error: The error of a chat.
        model: Name of the model; None for any.
    """
    return is_missing_model(error.status_code, error.code, error.message, model)


def with_existing_model(
    request: ChatRequest, capabilities: ServerCapabilities, send: Callable[[ChatRequest], Flow[Any]]
) -> Flow[Any]:
    """Send a request; if the server lacks its default model, once more with the nearest that it has.

    A model that the caller named is never replaced: the error then lists the server's models, nearest first.
    """
    replacement = None if request.names_model else capabilities.models.replacements.get(request.model)
    if replacement is not None:
        return (yield from _named(send, request, replacement))
    try:
        return (yield from send(request))
    except APIStatusError as error:
        if not lacks_model(error, request.model):
            raise
        missing = error
    try:
        models = yield from describe_models(capabilities)
    except RekaError:
        raise missing from None
    names = nearest_first(request.model, [model.id for model in models])
    if request.names_model or not names:
        raise _with_names(missing, names) from None
    _LOG.warning("the server has no model %s; using %s (set reka.MODEL or REKA_MODEL)", request.model, names[0])
    if (form := capabilities.forms.get(request.model)) is not None:  # another thread may forget it
        capabilities.forms.setdefault(names[0], form)
    answer = yield from _named(send, request, names[0])
    capabilities.models.replacements[request.model] = names[0]
    return answer


def _named(send: Callable[[ChatRequest], Flow[Any]], request: ChatRequest, model: str) -> Flow[Any]:
    answer = yield from send(replace(request, model=model))
    if isinstance(answer, ChatCompletion) and answer.model is None:
        return replace(answer, model=model)
    return answer


def _with_names(error: APIStatusError, names: list[str]) -> APIStatusError:
    # The server may list them itself.
    if all(re.search(rf"(?<![\w.-]){re.escape(name)}(?![\w-]|\.\w)", error.message) for name in names):
        return error
    message = f"{error.message.rstrip('.')}; the server has {names_in_words(names)}"
    named = type(error)(message, *error.args[1:])
    vars(named).update({**vars(error), "message": message})
    return named
