"""Requests to the completions endpoint, in the form that the server accepts; see `reka._protocol.forms`."""

from collections.abc import Callable
from typing import Any

from reka._calls import endpoints
from reka._calls.call import Call
from reka._calls.capabilities import ServerCapabilities
from reka._calls.flow import Flow
from reka._calls.model_flows import lacks_model
from reka._calls.nonempty import EmptyStreamError
from reka._inputs.chat_request import ChatRequest
from reka._protocol.forms import may_refuse_form, other_form, refuses_stream_options, reveals_form, written_differently
from reka.errors import APIStatusError, RekaError
from reka.types import ChatCompletion, Form


def complete_at_v1(request: ChatRequest, capabilities: ServerCapabilities) -> Flow[ChatCompletion]:
    """Complete at the completions endpoint."""
    return _in_either_form(request, capabilities, endpoints.complete)


def stream_at_v1(request: ChatRequest, capabilities: ServerCapabilities) -> Flow[Any]:
    """Stream at the completions endpoint.

    Returns:
        An open stream, or a `ChatCompletion` where the server does not stream tool calls.
    """
    if not request.v1_fields.get("tools"):
        return (yield from _in_either_form(request, capabilities, endpoints.stream_completion))
    if request.model in capabilities.whole_tools:
        return (yield from complete_at_v1(request, capabilities))
    try:
        return (yield from _in_either_form(request, capabilities, _stream_with_tools))
    except EmptyStreamError:
        completion = yield from complete_at_v1(request, capabilities)
    if completion.text or completion.tool_calls:
        capabilities.whole_tools.add(request.model)
    return completion


def _stream_with_tools(request: ChatRequest, form: Form) -> Call[Any]:
    # The host that accepted the form of 2025 answered tools in a stream with an empty one (observed).
    if form == "reka":
        return endpoints.complete(request, form)
    return endpoints.stream_completion(request, form, refuse_empty=True)


def _in_either_form(
    request: ChatRequest,
    capabilities: ServerCapabilities,
    make_call: Callable[[ChatRequest, Form], Call[Any]],
) -> Flow[Any]:
    """Send a request in one form and, if the server refuses that, once in the other."""
    form = capabilities.form_of(request.model)
    try:
        answer = yield make_call(request, form)
    except APIStatusError as error:
        if not _may_help(error, request, capabilities):
            raise
        refusal = error
    else:
        return answer
    other = other_form(form)
    capabilities.forms.pop(request.model, None)
    try:
        answer = yield make_call(request, other)
    except EmptyStreamError:
        raise
    except RekaError as error:
        if not (isinstance(error, APIStatusError) and lacks_model(error, request.model)):
            raise refusal from None
        # The server has read this form as far as the model's name, and the first one not even that far.
        capabilities.learn_form(request.model, other)
        raise
    if reveals_form(request.messages, request.v1_fields.get("tools") or ()):
        capabilities.learn_form(request.model, other)
    return answer


def _may_help(error: APIStatusError, request: ChatRequest, capabilities: ServerCapabilities) -> bool:
    return (
        capabilities.form == "auto"
        and may_refuse_form(error.status_code, error.code, error.message, request.model)
        and (
            written_differently(request.messages, request.v1_fields.get("tools") or ())
            or refuses_stream_options(error.message)
        )
    )
