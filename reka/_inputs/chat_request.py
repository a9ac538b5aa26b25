"""Chat requests: the arguments of `chat` and `complete`, checked, in one form for all endpoint families."""

from collections.abc import Mapping, Sequence
from dataclasses import field
from os import PathLike
from typing import Any, ClassVar, Final

from reka import config
from reka._inputs import validation
from reka._inputs.conversation import conversation
from reka._inputs.documents import metadata_filter
from reka._lazy import IMPORTING
from reka._protocol.constants import V0_ONLY
from reka._protocol.media import MEDIA_KINDS, part_of_url
from reka._protocol.messages import beyond_turns, fold, normalize_messages, sent_message, text_of
from reka._protocol.prompt import Passage, question_with_passages, with_passages
from reka._protocol.sampling import ARGUMENTS, PARAMETERS
from reka._protocol.tools import flat_tools, normalized_choice
from reka._record import record
from reka.errors import InvalidArgumentError, InvalidConversationError
from reka.media import media_url_of_file
from reka.types import ChatOptions, CompletionOptions, Message, Pricing, RetrievedChunk, Turn

_NEEDED_FIELDS: Final = ("tools", "response_format", "research")
_LIST_OPTIONS: Final = frozenset({"stop", "stop_words"})
_COMPLETION_OPTIONS: Final = frozenset(CompletionOptions.__annotations__)


@record
class ChatRequest:
    """A validated chat request: the conversation and its generation options.

    The conversation stays in the form that the caller gave, turns or messages; the other form is made only if it is
    sent.
    """

    conversation: "TurnHistory | MessageHistory"
    model: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """Sampling options that are set, by their names in the messages API."""

    stop: list[str] = field(default_factory=list)
    v1_fields: Mapping[str, Any] = field(default_factory=dict)
    """Options that only the messages API has, if set: tools, tool_choice, response_format, research."""

    extra: Mapping[str, Any] = field(default_factory=dict)
    """More fields of the request body, sent as they are; they override the others."""

    names_model: bool = True
    """Whether the caller named the model; a default that the server lacks is replaced."""

    pricing: Pricing | None = None
    """Prices of the model, for the cost of the answer; None if the server has not said them."""

    retrieved_chunks: list[RetrievedChunk] | None = None
    """Chunks that the client has retrieved for this request, for the answer to repeat; None if it has not."""

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The conversation as normalized messages, each with a list of parts as its content."""
        return self.conversation.messages()

    @property
    def turns(self) -> list[dict[str, str]]:
        """The conversation as turns: human and model alternate.

        Raises:
            InvalidConversationError: A message has no equivalent turn.
        """
        return self.conversation.turns()

    @property
    def dataset(self) -> str | None:
        """Name of the dataset to answer from."""
        dataset = self.extra.get("retrieval_dataset", self.options.get("retrieval_dataset"))
        return None if dataset is None else str(dataset)

    @property
    def filter(self) -> Mapping[str, Any] | None:
        """Condition on the metadata of the documents to answer from."""
        condition: Mapping[str, Any] | None = self.extra.get("retrieval_filter", self.options.get("retrieval_filter"))
        return condition

    def arguments(self) -> dict[str, object]:
        """The arguments whose texts UTF-8 must be able to write, by their names."""
        model, stop = self.conversation.MODEL_AND_STOP
        return {
            **self.conversation.arguments(),
            model: self.model,
            stop: self.stop,
            **self.options,
            **self.v1_fields,
            "extra_request_args": self.extra,
        }

    def required_features(self) -> set[str]:
        """Name the features of this request that not every endpoint family has."""
        fields = {**self.options, **self.v1_fields, **self.extra}
        needs = {name for name in fields if name in V0_ONLY or (name in _NEEDED_FIELDS and fields[name])}
        return needs | self.conversation.required_features()


@record
class TurnHistory:
    """A conversation as turns of the documented API."""

    MODEL_AND_STOP: ClassVar = ("model_name", "stop_words")
    """Names of two arguments that come with turns."""

    history: list[dict[str, str]]
    has_human: bool = False
    """Whether the last turn is the argument `human`, and no part of the `conversation_history`."""

    def turns(self) -> list[dict[str, str]]:
        """Return the history as it is."""
        return self.history

    def arguments(self) -> dict[str, object]:
        """The arguments that the conversation is made of, by their names, without the texts of its turns.

        reka-api 2 sends any text, half a character of UTF-16 as its escape.
        """
        turns = [{name: value for name, value in turn.items() if name != "text"} for turn in self.history]
        if not self.has_human:
            return {"conversation_history": turns}
        *before, last = turns
        return {"conversation_history": before, "media_url": last.get("media_url")}

    def messages(self) -> list[dict[str, Any]]:
        """Convert each turn to a message."""
        return [_message(turn) for turn in self.history]

    def required_features(self) -> frozenset[str]:
        """Name no feature: every endpoint family takes turns."""
        return frozenset()

    def media(self) -> list[tuple[int, str]]:
        """The media: the index of the turn, and the type of the message part that it becomes."""
        return [
            (index, part_of_url(turn["media_url"])[0]) for index, turn in enumerate(self.history) if "media_url" in turn
        ]

    def query(self) -> str:
        """Return what to retrieve passages for: the text of the last human turn."""
        return self.history[self._last_human()]["text"]

    def with_passages(self, passages: Sequence[Passage]) -> "TurnHistory":
        """Quote retrieved passages, best first, in the last human turn."""
        last = self._last_human()
        turn = self.history[last]
        quoting = turn | {"text": question_with_passages(turn["text"], passages)}
        return TurnHistory([*self.history[:last], quoting, *self.history[last + 1 :]], self.has_human)

    def _last_human(self) -> int:
        return max(index for index, turn in enumerate(self.history) if turn["type"] == "human")


@record
class MessageHistory:
    """A conversation as messages of the messages API."""

    MODEL_AND_STOP: ClassVar = ("model", "stop")
    """Names of two arguments that come with messages."""

    history: list[dict[str, Any]]
    """Normalized messages."""

    def arguments(self) -> dict[str, object]:
        """The argument that the conversation is made of, by its name."""
        return {"messages": [{**message, **sent_message(message)} for message in self.history]}

    def turns(self) -> list[dict[str, str]]:
        """Convert each message to a turn: the inverse of `TurnHistory.messages`."""
        for beyond in beyond_turns(self.history):
            raise InvalidConversationError(
                f"message {beyond.message} holds what the documented endpoint has no turn for: {beyond.feature}"
            )
        return [_turn(message) for message in fold(self.history)]

    def messages(self) -> list[dict[str, Any]]:
        """Return the history as it is."""
        return self.history

    def required_features(self) -> set[str]:
        """Name the features of the messages that turns do not have."""
        return {beyond.feature for beyond in beyond_turns(self.history)}

    def media(self) -> list[tuple[int, str]]:
        """The media: the index of the message, and the type of the part."""
        return [
            (index, part["type"])
            for index, message in enumerate(self.history)
            for part in message["content"]
            if part["type"] in MEDIA_KINDS
        ]

    def query(self) -> str:
        """Return what to retrieve passages for: the text of the last user message.

        Raises:
            InvalidConversationError: There is no such message.
        """
        texts = [text_of(message["content"], "\n") for message in self.history if message["role"] == "user"]
        if not texts:
            raise InvalidConversationError("messages: none is the user's, so there is nothing to retrieve passages for")
        return texts[-1]

    def with_passages(self, passages: Sequence[Passage]) -> "MessageHistory":
        """Quote retrieved passages, best first, in the last user message."""
        return MessageHistory([dict(message) for message in with_passages(self.history, passages)])


def chat_request(
    human: str | None = None,
    media_url: str | None = None,
    media_filename: str | PathLike[str] | None = None,
    conversation_history: Sequence[Turn | Mapping[str, Any]] | None = None,
    options: ChatOptions | None = None,
    *,
    max_media_bytes: int = config.MAX_MEDIA_BYTES,
) -> ChatRequest:
    """Check the arguments of `chat` and `stream`, and make a request of them.

    Args:
        human: As in `reka.chat`.
        media_url: As in `reka.chat`.
        media_filename: As in `reka.chat`.
        conversation_history: As in `reka.chat`.
        options: Options of the call; None is none.
        max_media_bytes: Maximum size of the media file in bytes.

    Raises:
        InvalidConversationError: The turns are not a valid conversation.
        InvalidArgumentError: Another argument is invalid.
    """
    if human is None and (media_url is not None or media_filename is not None):
        raise InvalidArgumentError("media_url, media_filename: they belong to the human turn; give human=... as well")
    if media_url is not None and media_filename is not None:
        raise InvalidArgumentError("media_url, media_filename: got both, want one of them")
    options = options or {}
    sampling = _options(options)
    model_name = options.get("model_name")
    model, names_model = _model(config.MODEL if model_name is None else model_name, "model_name")
    stop = _stop(options.get("stop_words"), "stop_words")
    extra = validation.mapping(options.get("extra_request_args"), "extra_request_args")
    if media_filename is not None:
        # The rest of the conversation first: a request that is refused must not read and encode a file.
        conversation(conversation_history, human, "data:,")
        media_url = media_url_of_file(media_filename, max_media_bytes)
    turns = conversation(conversation_history, human, media_url)
    return ChatRequest(
        TurnHistory(turns, human is not None), model, sampling, stop, extra=extra, names_model=names_model
    )


def messages_request(messages: Sequence[Message], options: CompletionOptions) -> ChatRequest:
    """Check the arguments of `complete` and `stream_messages`, and make a request of them.

    Args:
        messages: As in `reka.complete`.
        options: Options of the call.

    Raises:
        InvalidConversationError: The messages are not a valid conversation; the error names the offending index.
        InvalidArgumentError: Another argument is invalid.
        TypeError: An option has a name that is not in `CompletionOptions`.
    """
    for name in options:
        if name not in _COMPLETION_OPTIONS:
            raise _unexpected_keyword(name)
    sampling = _options(options)
    tools = flat_tools(options.get("tools") or [])
    tool_choice = normalized_choice(options.get("tool_choice"), tools)
    v1_fields = {
        "tools": tools or None,
        "tool_choice": tool_choice,
        "response_format": validation.mapping(options.get("response_format"), "response_format") or None,
        "research": validation.mapping(options.get("research"), "research") or None,
    }
    stop = options.get("stop")
    model, names_model = _model(options.get("model", config.MODEL), "model")
    return ChatRequest(
        MessageHistory(normalize_messages(messages)),
        model,
        sampling,
        _stop([stop] if isinstance(stop, str) else stop, "stop"),
        {name: value for name, value in v1_fields.items() if value is not None},
        validation.mapping(options.get("extra_request_args"), "extra_request_args"),
        names_model,
    )


def _model(model: object, argument: str) -> tuple[str, bool]:
    """The model of a request, and whether the caller named it: the default is told by its identity."""
    if model is config.MODEL:
        return config.default_model(), False
    return validation.non_empty_string(model, argument), True


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


def _options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Check the sampling options, the dataset and the filter that are set, and name them as the messages API does."""
    checked = {}
    for argument, value in options.items():
        if value is not None and argument in ARGUMENTS and argument not in _LIST_OPTIONS:
            name, parameter = ARGUMENTS[argument]
            checked[name] = parameter.check(value, argument)
    if (dataset := options.get("retrieval_dataset")) is not None:
        checked["retrieval_dataset"] = validation.non_empty_string(dataset, "retrieval_dataset")
    if (condition := options.get("retrieval_filter")) is not None:
        checked["retrieval_filter"] = metadata_filter(condition, "retrieval_filter")
        if dataset is None and "retrieval_dataset" not in (options.get("extra_request_args") or {}):
            raise InvalidArgumentError("retrieval_filter: it filters what is retrieved; give retrieval_dataset as well")
    return checked


def _stop(words: object, argument: str) -> list[str]:
    checked: list[str] = [] if words is None else PARAMETERS["stop"].check(words, argument)
    return checked


def _unexpected_keyword(name: str) -> TypeError:
    """Make the error that Python raises for a keyword that no parameter has, with the name that is probably meant."""
    with IMPORTING:
        from difflib import get_close_matches  # hardly ever needed

    names = sorted({"messages", "timeout", *_COMPLETION_OPTIONS})
    close = get_close_matches(name, names, n=1)
    hint = f"Did you mean {close[0]!r}?" if close else f"Want one of {', '.join(names)}."
    return TypeError(f"got an unexpected keyword argument {name!r}. {hint}")
