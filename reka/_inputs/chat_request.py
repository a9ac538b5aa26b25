"""What is asked of a model, in one form for every generation of the API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Final

from reka import config
from reka._inputs import validation
from reka._inputs.conversation import conversation
from reka._protocol.features import V0_ONLY
from reka._protocol.media import part_of_url
from reka._protocol.messages import beyond_turns, fold_for_reka, text_of
from reka._protocol.sampling import ARGUMENTS, PARAMETERS
from reka._protocol.tools import flat_tools, for_reka, normalized_choice
from reka.errors import InvalidArgumentError, InvalidConversationError
from reka.media import media_url_of_file
from reka.types import Message, Turn

_NEEDED_FIELDS: Final = ("tools", "response_format", "research")


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """A conversation to be gone on with, checked, with what the caller asks of the answer.

    It comes as turns of the documented API or as messages, and is brought to the other form only where that is sent.
    """

    conversation: "TurnHistory | MessageHistory"
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Sampling options that were set, under their names in the messages API."""

    stop: list[str] = field(default_factory=list)
    v1_fields: Mapping[str, Any] = field(default_factory=dict)
    """What only the messages API has and was set: tools, tool_choice, response_format, research."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    """More fields of the request, sent as they are; they override the others."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        """User and assistant in turn, each with a list of parts as its content."""
        return self.conversation.messages()

    @property
    def turns(self) -> list[dict[str, str]]:
        """Human and model in turn.

        Raises:
            InvalidConversationError: A message holds what no turn can.
        """
        return self.conversation.turns()

    @property
    def dataset(self) -> str | None:
        """The dataset to answer from."""
        dataset = self.extra.get("retrieval_dataset", self.options.get("retrieval_dataset"))
        return None if dataset is None else str(dataset)

    def required_features(self) -> set[str]:
        """Name what not every generation of the API can do."""
        given = {**self.options, **self.v1_fields, **self.extra}
        needs = {name for name in given if name in V0_ONLY or (name in _NEEDED_FIELDS and given[name])}
        return needs | self.conversation.required_features()


@dataclass(frozen=True, slots=True)
class TurnHistory:
    """A conversation in the form of the documented API."""

    given: list[dict[str, str]]

    def turns(self) -> list[dict[str, str]]:
        """As it is."""
        return self.given

    def messages(self) -> list[dict[str, Any]]:
        """Every turn is a message."""
        return [_message(turn) for turn in self.given]

    def required_features(self) -> frozenset[str]:
        """Every generation takes it."""
        return frozenset()


@dataclass(frozen=True, slots=True)
class MessageHistory:
    """A conversation in the form of the messages API."""

    given: list[dict[str, Any]]

    def turns(self) -> list[dict[str, str]]:
        """The inverse of what `TurnHistory.messages` makes of turns."""
        for beyond in beyond_turns(self.given):
            raise InvalidConversationError(
                f"message {beyond.message} holds what the documented endpoint has no turn for: {beyond.feature}"
            )
        return [_turn(message) for message in self.given]

    def messages(self) -> list[dict[str, Any]]:
        """As it is."""
        return self.given

    def required_features(self) -> set[str]:
        """What of it has no turn."""
        return {beyond.feature for beyond in beyond_turns(self.given)}


def chat_request(
    human: str | None = None,
    media_url: str | None = None,
    media_filename: str | PathLike[str] | None = None,
    conversation_history: Sequence[Turn] | None = None,
    retrieval_dataset: str | None = None,
    model_name: str = config.MODEL,
    request_output_len: int | None = None,
    temperature: float | None = None,
    random_seed: int | None = None,
    runtime_top_k: int | None = None,
    runtime_top_p: float | None = None,
    frequency_penalty: float | None = None,
    presence_penalty: float | None = None,
    length_penalty: float | None = None,
    stop_words: Sequence[str] | None = None,
    extra_request_args: Mapping[str, Any] | None = None,
    *,
    max_media_bytes: int = config.MAX_MEDIA_BYTES,
) -> ChatRequest:
    """Check `reka.chat`'s arguments.

    Raises:
        InvalidConversationError: The conversation is not one.
        InvalidArgumentError: Another argument is wrong.
    """
    if human is None and (media_url is not None or media_filename is not None):
        raise InvalidArgumentError("media_url, media_filename: they belong to the human turn; give human=... as well")
    if media_url is not None and media_filename is not None:
        raise InvalidArgumentError("media_url, media_filename: got both, want one of them")
    options = _options(
        request_output_len=request_output_len,
        temperature=temperature,
        random_seed=random_seed,
        runtime_top_k=runtime_top_k,
        runtime_top_p=runtime_top_p,
        frequency_penalty=frequency_penalty,
        presence_penalty=presence_penalty,
        length_penalty=length_penalty,
    )
    if retrieval_dataset is not None:
        options["retrieval_dataset"] = validation.non_empty_string(retrieval_dataset, "retrieval_dataset")
    model, stop = validation.non_empty_string(model_name, "model_name"), _stop(stop_words, "stop_words")
    extra = validation.mapping(extra_request_args, "extra_request_args")
    if media_filename is not None:
        # The rest of the conversation first: reading and encoding a file that will not be sent is in vain.
        conversation(conversation_history, human, "data:,")
        media_url = media_url_of_file(media_filename, max_media_bytes)
    turns = conversation(conversation_history, human, media_url)
    return ChatRequest(TurnHistory(turns), model, options, stop, extra=extra)


def messages_request(
    messages: Sequence[Message],
    *,
    model: str = config.MODEL,
    max_tokens: int | None = None,
    temperature: float | None = None,
    top_p: float | None = None,
    top_k: int | None = None,
    frequency_penalty: float | None = None,
    presence_penalty: float | None = None,
    seed: int | None = None,
    stop: str | Sequence[str] | None = None,
    tools: Sequence[Mapping[str, Any]] | None = None,
    tool_choice: str | Mapping[str, Any] | None = None,
    response_format: Mapping[str, Any] | None = None,
    research: Mapping[str, Any] | None = None,
    extra_request_args: Mapping[str, Any] | None = None,
) -> ChatRequest:
    """Check `complete`'s arguments.

    Raises:
        InvalidConversationError: The messages are none; the error names the index of the wrong one.
        InvalidArgumentError: Another argument is wrong.
    """
    options = _options(
        max_tokens=max_tokens,
        temperature=temperature,
        top_p=top_p,
        top_k=top_k,
        frequency_penalty=frequency_penalty,
        presence_penalty=presence_penalty,
        seed=seed,
    )
    flat = flat_tools(tools or [])
    sent_tools, choice = for_reka(flat, normalized_choice(tool_choice, flat))
    fields = {
        "tools": sent_tools or None,
        "tool_choice": choice,
        "response_format": validation.mapping(response_format, "response_format") or None,
        "research": validation.mapping(research, "research") or None,
    }
    return ChatRequest(
        MessageHistory(fold_for_reka(messages)),
        validation.non_empty_string(model, "model"),
        options,
        _stop([stop] if isinstance(stop, str) else stop, "stop"),
        {name: value for name, value in fields.items() if value is not None},
        validation.mapping(extra_request_args, "extra_request_args"),
    )


def _message(turn: Mapping[str, str]) -> dict[str, Any]:
    text = {"type": "text", "text": turn["text"]}
    if turn["type"] == "model":
        return {"role": "assistant", "content": [text]}
    if "media_url" not in turn:
        return {"role": "user", "content": [text]}
    kind, url = part_of_url(turn["media_url"])
    return {"role": "user", "content": [{"type": kind, kind: url}, text]}


def _turn(message: Mapping[str, Any]) -> dict[str, str]:
    speaker, content = "human" if message["role"] == "user" else "model", message["content"]
    turn = {"type": speaker, "text": text_of(content, "\n\n")}
    urls = [part[part["type"]] for part in content if part["type"] != "text"]
    return turn | {"media_url": urls[0]} if urls else turn


def _options(**given: object) -> dict[str, Any]:
    """Check the options that were given, and bring them under their names in the messages API."""
    checked = {}
    for argument, value in given.items():
        if value is not None:
            name, parameter = ARGUMENTS[argument]
            checked[name] = parameter.check(value, argument)
    return checked


def _stop(words: object, argument: str) -> list[str]:
    checked: list[str] = [] if words is None else PARAMETERS["stop"].check(words, argument)
    return checked
