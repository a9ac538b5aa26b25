"""What the strict hosts answer: the rule-based model's words, under the limits of the model that is asked. Pure."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from tests.support import rule_wire
from tests.support.rule_conversation import Message
from tests.support.rules import answer
from tests.support.strict_models import Model
from tests.support.strict_wire import RefusalError

MAX_TOKENS: Final = 1024
"""`max_tokens` of a request that does not set it."""


@dataclass(frozen=True)
class ModelAnswer:
    """A completion, with the thoughts that led to it."""

    completion: rule_wire.Completion
    thoughts: Sequence[str]
    """Tokens of the reasoning; empty for a model that does not reason."""
    cached_tokens: int
    citations: Sequence[Mapping[str, Any]]

    @property
    def usage(self) -> dict[str, Any]:
        reasoning = {"reasoning_tokens": len(self.thoughts)} if self.thoughts else {}
        return {
            **self.completion.usage,
            **reasoning,
            "prompt_tokens_details": {"cached_tokens": self.cached_tokens},
            "completion_tokens_details": {"reasoning_tokens": len(self.thoughts)},
        }


def make_answer(body: Mapping[str, Any], model: Model, number: int) -> ModelAnswer:
    """Answer a body that has been checked.

    Args:
        body: A request in either form.
        model: The model that it names.
        number: Number of the answer, for its id.

    Raises:
        RefusalError: The prompt is longer than the model's context.
    """
    conversation = rule_wire.conversation(body)
    prompt = sum(map(_tokens, conversation.messages))
    room = model.context_length - prompt
    if room <= 0:
        message = f"messages: got {prompt} tokens, the context of {model.name} has {model.context_length}"
        raise RefusalError(400, message, "messages", "context_length_exceeded")
    max_tokens = body.get("max_tokens") or MAX_TOKENS
    reasons = model.reasons and body.get("reasoning_effort") != "none"
    thoughts = rule_wire.pieces(f"The user says: {conversation.question}") if reasons else []
    without_limit = {name: value for name, value in body.items() if name != "max_tokens"}
    whole = rule_wire.to_completion(without_limit, conversation, answer(conversation), number)
    return ModelAnswer(
        _limit(whole, len(thoughts), min(max_tokens, room), "context" if room < max_tokens else "length"),
        thoughts[: min(max_tokens, room)],
        _cached_tokens(conversation.messages),
        _citations(whole.text) if _searches(body) else (),
    )


def response(result: ModelAnswer) -> dict[str, Any]:
    """An answer as one body."""
    document = rule_wire.to_body(result.completion)
    message = document["choices"][0]["message"]
    if result.thoughts:
        message["reasoning_content"] = "".join(result.thoughts)
    if result.citations:
        message["annotations"] = list(result.citations)
        document["reasoning_steps"] = [{"type": "web_search", "results": len(result.citations)}]
    return {**document, "usage": result.usage}


def response_chunks(result: ModelAnswer) -> Iterator[dict[str, Any]]:
    """An answer in chunks: thoughts, text, tool calls, citations, and the finish as the last one."""
    first, *further, last = rule_wire.to_chunks(result.completion, with_usage=False)
    yield first
    for thought in result.thoughts:
        yield _with_delta(first, {"reasoning_content": thought})
    yield from further
    if result.citations:
        yield _with_delta(first, {"annotations": list(result.citations)})
    yield last


def empty_chunks(result: ModelAnswer) -> Iterator[dict[str, Any]]:
    """A stream with no text and no tool call: its beginning and a finish."""
    completion = replace(result.completion, text="", calls=(), finish_reason="stop")
    return rule_wire.to_chunks(completion, with_usage=False)


def _limit(
    whole: rule_wire.Completion, thought_count: int, limit: int, finish_reason_at_limit: str
) -> rule_wire.Completion:
    """A completion cut to a number of tokens, those of its reasoning included; a tool call is not cut."""
    tokens = rule_wire.pieces(whole.text)
    room = max(0, limit - thought_count)
    if thought_count > limit or len(tokens) > room:
        cut = "".join(tokens[:room])
        return replace(whole, text=cut, calls=(), finish_reason=finish_reason_at_limit, completion_tokens=limit)
    return replace(whole, completion_tokens=whole.completion_tokens + thought_count)


def _tokens(message: Message) -> int:
    return len(rule_wire.pieces(message.text)) + len(message.media)


def _cached_tokens(messages: Sequence[Message]) -> int:
    """Tokens of a prompt that the model has seen: all up to its own last message."""
    places = [index for index, message in enumerate(messages) if message.role == "assistant"]
    return sum(map(_tokens, messages[: places[-1] + 1])) if places else 0


def _searches(body: Mapping[str, Any]) -> bool:
    return bool(((body.get("research") or {}).get("web_search") or {}).get("enabled"))


def _citations(text: str) -> list[dict[str, Any]]:
    page = {"url": "https://example.com/", "title": "Example", "start_index": 0, "end_index": len(text)}
    return [{"type": "url_citation", "url_citation": page}]


def _with_delta(chunk: Mapping[str, Any], delta: Mapping[str, Any]) -> dict[str, Any]:
    return {**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
