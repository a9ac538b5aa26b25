"""Generation as a span, where OpenTelemetry is set up; the upstream gets the span's `traceparent`."""

from contextlib import aclosing
from typing import TYPE_CHECKING, Any

from reka._protocol.addresses import is_reka_host
from reka._telemetry.active import active_tracer
from reka._telemetry.messages import captures_content, input_messages, output_messages
from reka.server.generation.types import (
    AnswerStream,
    ChatBackend,
    Delta,
    Finish,
    GenerationRequest,
    GenerationResult,
)
from reka.server.telemetry.request_record import current_record

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

    from reka._telemetry.operations import Operation

__all__ = ["generate", "stream"]


async def generate(backend: ChatBackend, request: GenerationRequest) -> GenerationResult:
    """Have a backend generate a response; see `ChatBackend.generate`."""
    tracer = active_tracer()
    if tracer is None:
        return await backend.generate(request)
    operation = _begin(tracer, backend, request, is_stream=False)
    try:
        result = await backend.generate(request)
        operation.answered(result.input_tokens, result.output_tokens, result.finish_reason)
        if captures_content():
            calls = [(call.id, call.name, call.arguments) for call in result.tool_calls]
            operation.set("gen_ai.output.messages", output_messages(result.text, calls, result.finish_reason))
        return result
    except BaseException as error:
        operation.failed(error)
        raise
    finally:
        operation.end()


def stream(backend: ChatBackend, request: GenerationRequest) -> AnswerStream:
    """Have a backend stream a response; see `ChatBackend.stream`. The span ends with the stream."""
    tracer = active_tracer()
    answer = backend.stream(request)
    return answer if tracer is None else _traced_stream(tracer, backend, request, answer)


async def _traced_stream(
    tracer: "Tracer", backend: ChatBackend, request: GenerationRequest, answer: AnswerStream
) -> AnswerStream:
    operation = _begin(tracer, backend, request, is_stream=True)
    texts: list[str] = []
    is_captured = operation.is_recording and captures_content()
    try:
        async with aclosing(answer):
            async for event in answer:
                operation.first_chunk()
                if isinstance(event, Finish):
                    operation.answered(event.input_tokens, event.output_tokens, event.finish_reason)
                elif is_captured and isinstance(event, Delta):
                    texts.append(str(event.fields.get("content") or ""))
                yield event
    except GeneratorExit:
        raise  # its reader has left, which is no failure
    except BaseException as error:
        operation.failed(error)
        raise
    finally:
        if is_captured:
            operation.set("gen_ai.output.messages", output_messages("".join(texts), (), None))
        operation.end()


def _begin(tracer: "Tracer", backend: ChatBackend, request: GenerationRequest, *, is_stream: bool) -> "Operation":
    from reka._telemetry.operations import MODEL, REQUEST_ATTRIBUTES, Operation, address_attributes, request_attributes

    url: str | None = getattr(backend, "url", None)
    options = {name: getattr(request, name) for name in REQUEST_ATTRIBUTES}
    attributes: dict[str, Any] = {
        MODEL: request.model,
        **request_attributes(options, request.stop, request.response_format, stream=is_stream),
        **({} if url is None else address_attributes(url)),
    }
    operation = Operation(
        tracer,
        "chat",
        request.model,
        attributes,
        provider="reka" if url is None or is_reka_host(url) else "openai",
        is_remote=url is not None,
    )
    if operation.is_recording and captures_content():
        operation.set("gen_ai.input.messages", input_messages(request.messages))
    if record := current_record():
        record.outgoing = {**record.outgoing, **operation.headers()}
    return operation
