"""What is asked of a model, in one form for every generation of the API."""

import mimetypes
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from os import PathLike
from typing import Any, Final

from reka import config
from reka._inputs import validation
from reka._inputs.conversation import conversation
from reka._protocol.sampling import ARGUMENTS, PARAMETERS
from reka._wire.dialect import ONLY_V0
from reka._wire.messages import MEDIA_PARTS, chosen_tools, flat_tools, fold_for_reka
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
        needs = {name for name in given if name in ONLY_V0 or (name in _NEEDED_FIELDS and given[name])}
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
        """The inverse of what `Turns.messages` makes of turns."""
        return [_turn(index, message) for index, message in enumerate(self.given)]

    def messages(self) -> list[dict[str, Any]]:
        """As it is."""
        return self.given

    def required_features(self) -> set[str]:
        """What of it has no turn."""
        needs = set()
        media = [place for place, message in enumerate(self.given) for part in message["content"] if is_media(part)]
        if len(media) > 1:
            needs.add("several media")
        if any(media):
            needs.add("media after the first turn")
        if any(message.get("tool_calls") for message in self.given):
            needs.add("tool calls")
        return needs


def is_media(part: Mapping[str, Any]) -> bool:
    """Whether a part of a message is an image, a video, audio or a PDF."""
    return part["type"] in MEDIA_PARTS


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
    sent_tools, choice = chosen_tools(flat_tools(tools or []), tool_choice)
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
    media_url = turn.get("media_url")
    return {"role": "user", "content": [text] if media_url is None else [media_part(media_url), text]}


def _turn(index: int, message: Mapping[str, Any]) -> dict[str, str]:
    media = [part for part in message["content"] if is_media(part)]
    if message.get("tool_calls") or len(media) > 1 or (media and index > 0):
        raise InvalidConversationError(f"message {index} holds what the documented endpoint has no turn for")
    text = "\n\n".join(part["text"] for part in message["content"] if not is_media(part))
    turn = {"type": "human" if message["role"] == "user" else "model", "text": text}
    return turn | ({"media_url": media[0][media[0]["type"]]} if media else {})


def media_part(url: str) -> dict[str, str]:
    """A media URL as a part of a message, named by its MIME family; one that does not tell it is taken for an image."""
    start = url[:100].lower()
    mime_type = start[5:] if start.startswith("data:") else mimetypes.guess_type(url.partition("?")[0])[0] or ""
    for family, kind in (("video/", "video_url"), ("audio/", "audio_url"), ("application/pdf", "pdf_url")):
        if mime_type.startswith(family):
            return {"type": kind, kind: url}
    return {"type": "image_url", "image_url": url}


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
