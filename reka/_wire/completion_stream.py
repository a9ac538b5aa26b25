"""A streamed answer of `/v1/chat/completions`: bytes in, events out, no I/O."""

import json
from collections.abc import Mapping
from typing import Any, Final

from reka._protocol.messages import text_of
from reka._protocol.sse import SseDecoder
from reka._protocol.usage import read_usage
from reka._wire.choices import answer_choice, objects
from reka._wire.completions import read_citations, read_tool_call
from reka._wire.cumulative import DeltaExtractor
from reka._wire.documented import read_chunks
from reka._wire.failures import error_in_choice, error_in_document, reported_error
from reka._wire.reply import readable_json
from reka.errors import RekaError, StreamInterruptedError, UnexpectedResponseError
from reka.types import Finish, ReasoningDelta, RetrievedChunk, StreamEvent, TextDelta, ToolCallDelta, Usage

_DONE: Final = "[DONE]"
_JSON: Final = json.JSONDecoder()


class CompletionDecoder:
    """Decodes one streamed answer.

    Args:
        request_id: What the server calls the request.
        request_line: What is being answered, for errors.
        retrieved_chunks: Chunks that the client has retrieved for the request; None if it has not.
    """

    def __init__(
        self, request_id: str | None, request_line: str, retrieved_chunks: list[RetrievedChunk] | None = None
    ) -> None:
        self._request_id = request_id
        self._asked = request_line
        self._sse = SseDecoder()
        self._new_text = DeltaExtractor()
        self._texts: list[str] = []
        self._is_done = False
        self._is_cumulative = False
        self._failure: RekaError | None = None
        self._finish_reason: str | None = None
        self._model: str | None = None
        self._id: str | None = None
        self._usage: Usage | None = None
        self._chunks = retrieved_chunks

    @property
    def is_done(self) -> bool:
        """Whether the answer has said that it is whole, or failed; whatever follows is not looked at."""
        return self._is_done

    @property
    def partial_text(self) -> str:
        """All text so far."""
        return "".join(self._texts)

    def feed(self, received: bytes) -> list[StreamEvent]:
        """Take the next bytes and give what they bring.

        An event that is an error, or cannot be read, ends the stream; `finish` raises it, for what came before it in
        the same bytes is to be given first.
        """
        events: list[StreamEvent] = []
        for event in self._sse.feed(received):
            if self._is_done:
                break
            if event.data.strip() == _DONE:
                self._is_done = True
            elif event.data:
                try:
                    self._chunk(self._read(event.data, event.event), events)
                except RekaError as error:
                    self._failure, self._is_done = error, True
        return events

    def finish(self) -> list[StreamEvent]:
        """Take the end of the stream.

        Raises:
            RekaError: The server reported an error inside the stream.
            UnexpectedResponseError: An event could not be read.
            StreamInterruptedError: The answer was not whole: it had neither a finish reason nor a last event.
        """
        if self._failure is not None:
            raise self._failure
        if not self._is_done and self._finish_reason is None:
            raise self.interrupted("the stream ended before the answer did")
        events: list[StreamEvent] = []
        self._add_text(self._new_text.finish(), events)
        if self._usage is not None:
            events.append(self._usage)
        return [*events, Finish(self._finish_reason, self._model, self._id, self._request_id, self._chunks)]

    def interrupted(self, reason: str) -> StreamInterruptedError:
        """Make the error for a stream that broke off."""
        self._add_text(self._new_text.finish(), [])
        return StreamInterruptedError(f"{self._asked}: {reason}", None, self._request_id, None, self.partial_text)

    def _read(self, data: str, kind: str) -> Mapping[str, Any]:
        try:
            document = readable_json(data) if "\\u" in data else _JSON.decode(data)
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise UnexpectedResponseError(f"{self._asked}: cannot read the event {data[:80]!r}", None, self._request_id)
        if kind == "error":
            raise reported_error(document, self._request_id)
        if "choices" not in document or document.get("error"):
            error = error_in_document(document, self._request_id)
            if error is not None:
                raise error
        return document

    def _chunk(self, chunk: Mapping[str, Any], events: list[StreamEvent]) -> None:
        self._model = chunk.get("model") or self._model
        self._id = chunk.get("id") or self._id
        # The last one counts: servers that send it with every chunk send the sum so far.
        if usage := chunk.get("usage"):
            self._usage = read_usage(usage) or self._usage
        if chunks := chunk.get("retrieved_chunks"):
            self._chunks = read_chunks(chunks) or self._chunks
        choice = answer_choice(chunk.get("choices") or chunk.get("responses"))
        if choice is None:
            return
        delta = choice.get("delta")
        if not isinstance(delta, dict):
            delta = self._cumulative_delta(choice, events)
        self._delta(delta, events)
        if choice.get("finish_reason") or choice.get("error"):
            self._end(choice)

    def _end(self, choice: Mapping[str, Any]) -> None:
        error = error_in_choice(choice, self._request_id)
        if error is not None:
            raise error
        self._finish_reason = choice.get("finish_reason") or self._finish_reason

    def _cumulative_delta(self, choice: Mapping[str, Any], events: list[StreamEvent]) -> Mapping[str, Any]:
        """Text so far rather than new text: the generation before's `chunk`, or a whole `message`."""
        delta = choice.get("chunk") or choice.get("message")
        if not isinstance(delta, Mapping):
            return {}
        if not self._is_cumulative:
            self._is_cumulative = True
            self._add_text(self._new_text.finish(), events)
            self._new_text = DeltaExtractor(self.partial_text)
        return delta

    def _delta(self, delta: Mapping[str, Any], events: list[StreamEvent]) -> None:
        if reasoning := delta.get("reasoning_content"):
            events.append(ReasoningDelta(text_of(reasoning)))
        if content := delta.get("content"):
            self._add_text(self._new_text.of(text_of(content)), events)
        if calls := delta.get("tool_calls"):
            for position, call in enumerate(objects(calls)):
                read = read_tool_call(call)
                events.append(ToolCallDelta(call.get("index", position), read.id, read.name, read.arguments))
        if annotations := delta.get("annotations"):
            events += read_citations(annotations)

    def _add_text(self, text: str, events: list[StreamEvent]) -> None:
        if text:
            self._texts.append(text)
            events.append(TextDelta(text))
