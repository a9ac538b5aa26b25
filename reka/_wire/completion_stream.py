"""A streamed answer of `/v1/chat/completions`: bytes in, events out, no I/O."""

import json
from collections.abc import Mapping
from typing import Any, Final

from reka._protocol.answers.budgets import OverBudgetError
from reka._protocol.answers.json_text import SHORT
from reka._protocol.messages import text_of
from reka._protocol.responses import answer_choice, further_fields, priced, read_usage
from reka._protocol.sse import DONE, ServerSentEvent, SseDecoder
from reka._wire.choices import beginning, new_part
from reka._wire.completions import KNOWN, KNOWN_IN_CHOICE, KNOWN_IN_MESSAGE, read_citations, text_or_none
from reka._wire.documented import read_chunks
from reka._wire.failures import error_in_choice, error_in_document, reported_error
from reka._wire.reply import readable_json
from reka._wire.tool_calls import ToolCallStream
from reka.errors import RekaError, StreamInterruptedError, UnexpectedResponseError
from reka.types import Citation, Finish, Pricing, ReasoningDelta, RetrievedChunk, StreamEvent, TextDelta

_JSON: Final = json.JSONDecoder()
_TEXTS: Final = frozenset({"content", "reasoning", "reasoning_content", "role"})
"""Fields of a delta that `_delta` has read, or that say nothing new."""


class CompletionDecoder:
    """Decodes one streamed answer.

    Args:
        request_id: What the server calls the request.
        request_line: What is being answered, for errors.
        retrieved_chunks: Chunks that the client has retrieved for the request; None if it has not.
        pricing: Prices of the model, for the cost of the answer; None if they are unknown.
    """

    def __init__(
        self,
        request_id: str | None,
        request_line: str,
        retrieved_chunks: list[RetrievedChunk] | None = None,
        pricing: Pricing | None = None,
    ) -> None:
        self._request_id = request_id
        self._request_line = request_line
        self._sse = SseDecoder()
        self._texts: list[str] = []
        self._reasoning: list[str] = []
        self._citations: set[Citation] = set()
        self._tool_calls = ToolCallStream()
        self._is_done = False
        self._failure: RekaError | None = None
        self._finish_reason: str | None = None
        self._model: object = None
        self._id: object = None
        self._usage: dict[str, Any] = {}
        self._chunks = retrieved_chunks
        self._pricing = pricing
        self._extra: dict[str, Any] = {}

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
        try:
            complete = self._sse.feed(received)
        except OverBudgetError as error:
            self._fail(self._too_much(error))
            return events
        for event in complete:
            if self._is_done:
                break
            self._take(event, events)
        return events

    def finish(self) -> list[StreamEvent]:
        """Take the end of the stream.

        Raises:
            RekaError: The server reported an error inside the stream.
            UnexpectedResponseError: An event could not be read.
            StreamInterruptedError: The answer was not whole: it had neither a finish reason nor a last event.
        """
        events: list[StreamEvent] = []
        last = None if self._is_done else self._sse.finish()
        if last is not None:
            self._take(last, events)
        if self._failure is not None:
            raise self._failure
        if not self._is_done and self._finish_reason is None:
            raise self.interrupted("the stream ended before the answer did")
        usage = read_usage(self._usage)
        if usage is not None:
            events.append(usage if self._pricing is None else priced(usage, self._pricing))
        elif self._usage:
            self._extra["usage"] = self._usage
        model, answer_id = text_or_none(self._model), text_or_none(self._id)
        extra = _joined(self._extra)
        logprobs = extra.pop("logprobs", None)
        end = Finish(self._finish_reason, model, answer_id, self._request_id, self._chunks, logprobs, extra)
        return [*events, end]

    def interrupted(self, reason: str) -> StreamInterruptedError:
        """Make the error for a stream that broke off."""
        return StreamInterruptedError(
            f"{self._request_line}: {reason}", None, self._request_id, None, self.partial_text
        )

    def _take(self, event: ServerSentEvent, events: list[StreamEvent]) -> None:
        if event.data.strip() == DONE:
            self._is_done = True
        elif event.data:
            try:
                self._chunk(self._read(event.data, event.event), events)
            except RekaError as error:
                self._fail(error)
            except OverBudgetError as error:
                self._fail(self._too_much(error))

    def _too_much(self, error: OverBudgetError) -> UnexpectedResponseError:
        return UnexpectedResponseError(f"{self._request_line} gave {error}", None, self._request_id)

    def _fail(self, error: RekaError) -> None:
        self._failure, self._is_done = error, True

    def _read(self, data: str, kind: str) -> Mapping[str, Any]:
        try:
            # Nearly all events are short, and are spared the look at how deep they are nested.
            is_plain = len(data) <= SHORT and "\\u" not in data
            document = _JSON.decode(data) if is_plain else readable_json(data)
        except OverBudgetError:
            raise
        except (ValueError, RecursionError):
            document = None
        if not isinstance(document, dict):
            raise UnexpectedResponseError(
                f"{self._request_line}: cannot read the event {data[:80]!r}", None, self._request_id
            )
        if kind == "error" or document.get("error"):
            raise reported_error(document, self._request_id)
        return document

    def _chunk(self, chunk: Mapping[str, Any], events: list[StreamEvent]) -> None:
        if self._model is None:
            self._model = chunk.get("model") or None
        if self._id is None:
            self._id = chunk.get("id") or None
        if usage := chunk.get("usage"):
            # Servers that send it with every chunk send the sum so far; others send input and output apart.
            self._usage |= usage if isinstance(usage, dict) else {}
        if chunks := chunk.get("retrieved_chunks"):
            self._chunks = read_chunks(chunks) or self._chunks
        choice = answer_choice(chunk.get("choices") or chunk.get("responses"))
        if choice is None:
            error = error_in_document(chunk, self._request_id)
            if error is not None:
                raise error
            self._keep(chunk, KNOWN)
            return
        delta = choice.get("delta")
        if isinstance(delta, dict):
            self._delta(delta, events)
        else:
            self._text_so_far(choice.get("chunk") or choice.get("message"), events)
        if logprobs := choice.get("logprobs"):
            _merge(self._extra, {"logprobs": logprobs})
        if choice.get("finish_reason") or choice.get("error"):
            self._end(chunk, choice)

    def _delta(self, delta: Mapping[str, Any], events: list[StreamEvent]) -> None:
        if reasoning := delta.get("reasoning_content") or delta.get("reasoning"):
            self._add_reasoning(text_of(reasoning), events)
        if content := delta.get("content"):
            self._add_text(text_of(content), events)
        if len(delta) == 1 and (content or reasoning):  # as nearly all are
            return
        for name, value in delta.items():
            if value and name not in _TEXTS:
                self._more(name, value, events)

    def _more(self, name: str, value: object, events: list[StreamEvent]) -> None:
        """Read a field of a delta that is neither text nor reasoning."""
        if name == "tool_calls":
            events += self._tool_calls.read(value)
        elif name == "annotations":
            self._add_citations(read_citations(value), events)
        elif name == "retrieved_chunks":
            self._chunks = read_chunks(value) or self._chunks
        else:
            _merge(self._extra, {name: value})

    def _text_so_far(self, message: object, events: list[StreamEvent]) -> None:
        """Read the `chunk` of the older API family, or a whole `message`: both repeat what has come before."""
        if not isinstance(message, dict):
            return
        reasoning = text_of(message.get("reasoning_content")) or text_of(message.get("reasoning"))
        content = text_of(message.get("content"))
        self._add_reasoning(new_part(reasoning, beginning(self._reasoning, len(reasoning))), events)
        self._add_text(new_part(content, beginning(self._texts, len(content))), events)
        events += self._tool_calls.read_so_far(message.get("tool_calls"))
        citations = read_citations(message.get("annotations"))
        self._add_citations([citation for citation in citations if citation not in self._citations], events)
        self._keep(message, KNOWN_IN_MESSAGE)

    def _end(self, chunk: Mapping[str, Any], choice: Mapping[str, Any]) -> None:
        error = error_in_choice(choice, self._request_id)
        if error is not None:
            raise error
        self._finish_reason = text_or_none(choice.get("finish_reason")) or self._finish_reason
        self._keep(chunk, KNOWN)
        self._keep(choice, KNOWN_IN_CHOICE)

    def _keep(self, fields: Mapping[str, Any], known: frozenset[str]) -> None:
        """Keep the fields that have no place of their own; of equal names the last one counts."""
        self._extra |= further_fields(fields, known)

    def _add_text(self, text: str, events: list[StreamEvent]) -> None:
        if text:
            self._texts.append(text)
            events.append(TextDelta(text))

    def _add_reasoning(self, text: str, events: list[StreamEvent]) -> None:
        if text:
            self._reasoning.append(text)
            events.append(ReasoningDelta(text))

    def _add_citations(self, citations: list[Citation], events: list[StreamEvent]) -> None:
        self._citations.update(citations)
        events += citations


class _Parts(list[str]):
    """A text in parts, joined once: adding each to the text would copy all before it."""


def _joined(fields: dict[str, Any]) -> dict[str, Any]:
    """Join the texts that came in parts."""
    for name, value in fields.items():
        if isinstance(value, _Parts):
            fields[name] = "".join(value)
        elif isinstance(value, dict):
            _joined(value)
    return fields


def _merge(into: dict[str, Any], fields: Mapping[str, Any]) -> None:
    """Add a delta's fields to those before it, as the protocol has it: texts and lists grow, objects are merged."""
    for name, value in fields.items():
        old = into.get(name)
        if isinstance(old, _Parts) and isinstance(value, str):
            old.append(value)
        elif type(old) is list and isinstance(value, list):
            old += value
        elif isinstance(old, dict) and isinstance(value, dict):
            _merge(old, value)
        elif isinstance(old, str) and isinstance(value, str) and name != "type":
            into[name] = _Parts((old, value))
        elif value is not None:
            into[name] = value
