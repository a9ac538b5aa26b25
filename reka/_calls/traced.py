"""Flows whose operation is a span of OpenTelemetry: loaded where the program has set it up."""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing, closing
from typing import TYPE_CHECKING, Any, TypeVar

from reka._calls.capabilities import ServerCapabilities
from reka._calls.flow import Flow
from reka._inputs.chat_request import ChatRequest
from reka._protocol.checks import require_utf8
from reka._telemetry.messages import captures_content, input_messages, output_messages, retrieved_documents
from reka._telemetry.operations import MODEL, Operation, address_attributes, request_attributes
from reka.types import ChatCompletion, Finish, RetrievedChunk, TextDelta, ToolCallDelta, Usage

if TYPE_CHECKING:
    from opentelemetry.trace import Tracer

T = TypeVar("T")

__all__ = ["traced_answer", "traced_retrieval"]


def traced_answer(
    tracer: "Tracer",
    flow: Callable[[ServerCapabilities], Flow[T]],
    request: ChatRequest,
    stream: bool,
    capabilities: ServerCapabilities,
) -> Flow[Any]:
    """Run a flow that answers a request, as a span that ends with the answer, or with the stream of it."""
    require_utf8(request.arguments())  # else the whole batch of the span could not be sent
    attributes = {
        MODEL: request.model,
        **address_attributes(capabilities.url),
        **request_attributes(request.options, request.stop, request.v1_fields.get("response_format"), stream=stream),
    }
    if request.dataset is not None:
        attributes["gen_ai.data_source.id"] = request.dataset
    operation = Operation(tracer, "chat", request.model, attributes)
    answer = _Answer(operation)
    if answer.is_captured:
        operation.set("gen_ai.input.messages", input_messages(request.messages))
    result: Any = yield from _present(operation, flow(capabilities))
    if isinstance(result, ChatCompletion):
        answer.take_whole(result)
        return result
    return _async_stream(answer, result) if isinstance(result, AsyncGenerator) else _stream(answer, result)


def traced_retrieval(
    tracer: "Tracer", flow: Flow[list[RetrievedChunk]], query: str, dataset: str, k: int, url: str
) -> Flow[list[RetrievedChunk]]:
    """Run a flow that searches a dataset, as a span."""
    attributes = {"gen_ai.data_source.id": dataset, "gen_ai.request.top_k": k, **address_attributes(url)}
    operation = Operation(tracer, "retrieval", dataset, attributes)
    chunks = yield from _present(operation, flow)
    if operation.is_recording and captures_content():
        operation.set("gen_ai.retrieval.query.text", query)
        documents = [(str(chunk.get("id", "")), float(chunk.get("score", 0.0))) for chunk in chunks]
        operation.set("gen_ai.retrieval.documents", retrieved_documents(documents))
    operation.end()
    return chunks


def _present(operation: Operation, flow: Flow[T]) -> Flow[T]:
    """Run a flow with the span of an operation as the present one; the operation ends if the flow fails."""
    # A flow runs in the context of the one thread or task that drives it.
    with operation.present():
        try:
            return (yield from flow)
        except BaseException as error:
            operation.failed(error)
            operation.end()
            raise


class _Answer:
    """What is noted of an answer for the operation that brings it, which ends with the block of a stream."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self.is_captured = operation.is_recording and captures_content()
        self._texts: list[str] = []
        self._calls: list[tuple[str, str, str]] = []
        self._usage: Usage | None = None
        self._end: Finish | None = None

    def take(self, event: Any) -> None:
        """Note an event of a stream."""
        self._operation.first_chunk()
        if isinstance(event, Usage):
            self._usage = event
        elif isinstance(event, Finish):
            self._end = event
        elif self.is_captured and isinstance(event, TextDelta):
            self._texts.append(event.text)
        elif self.is_captured and isinstance(event, ToolCallDelta):
            self._calls.append((event.id, event.name, event.arguments))

    def take_whole(self, completion: ChatCompletion) -> None:
        """Note a whole answer, and end the operation."""
        self._texts = [completion.text]
        self._calls = [(call.id, call.name, call.arguments) for call in completion.tool_calls]
        self._usage = completion.usage
        self._end = Finish(completion.finish_reason, completion.model, completion.id)
        self.end()

    def __enter__(self) -> None:
        """Begin the block of a stream."""

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        """Note what the stream ended in; to leave one early is no failure."""
        if error is not None and not isinstance(error, GeneratorExit):
            self._operation.failed(error)
        self.end()

    def end(self) -> None:
        """End the operation."""
        usage, end, operation = self._usage, self._end or Finish(None), self._operation
        operation.answered(
            None if usage is None else usage.input_tokens,
            None if usage is None else usage.output_tokens,
            end.reason,
            model=end.model,
            response_id=end.id,
        )
        if self.is_captured:
            text = output_messages("".join(self._texts), self._calls, end.reason)
            operation.set("gen_ai.output.messages", text)
        operation.end()


def _stream(answer: _Answer, events: Generator[Any, None, None]) -> Generator[Any, None, None]:
    with answer, closing(events):
        for event in events:
            answer.take(event)
            yield event


async def _async_stream(answer: _Answer, events: AsyncGenerator[Any, None]) -> AsyncGenerator[Any, None]:
    with answer:
        async with aclosing(events):
            async for event in events:
                answer.take(event)
                yield event
