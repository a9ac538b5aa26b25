"""What a conversation has: its turns, its options, and what goes with the next question."""

import json
from collections.abc import Collection, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Final, cast

import reka
from reka import config
from reka._protocol.media import is_media_url
from reka.cli.errors import UsageError
from reka.cli.logs.recording import Recorder, media_reference
from reka.cli.logs.store import Head, Kept, KeptTurn
from reka.errors import InvalidArgumentError
from reka.media import media_url_of_file
from reka.types import Turn

_TURN_KEYS: Final = ("type", "text", "media_url")


def media_url(media: str) -> str:
    """Return the URL of media: an address as it is, a file as a `data:` URL.

    Raises:
        InvalidArgumentError: The file cannot be sent.
    """
    return media if is_media_url(media) else media_url_of_file(media)


def human_turn(text: str, media_url: str | None) -> reka.HumanTurn:
    """Build a human turn, with media if there is any."""
    turn: reka.HumanTurn = {"type": "human", "text": text}
    if media_url is not None:
        turn["media_url"] = media_url
    return turn


def with_system(turns: Sequence[Turn], system: str | None) -> list[Turn]:
    """Put the system's text in front of the first question: the documented API has no place of its own for it."""
    if not system or not turns:
        return list(turns)
    first = copy(turns[0])
    first["text"] = f"{system}\n\n{first['text']}"
    return [first, *turns[1:]]


class Conversation:
    """A conversation. A question without an answer is no part of it."""

    def __init__(
        self, options: reka.ChatOptions, system: str | None, media: str | None, recorder: Recorder | None = None
    ) -> None:
        """Begin a conversation.

        Args:
            options: Options of its chats.
            system: Text in front of the first question; None for none.
            media: Path or address of the media of the first question; None for none.
            recorder: Keeps it; None keeps nothing.

        Raises:
            InvalidArgumentError: The media cannot be sent.
        """
        self.options = options
        self.system = system
        self.recorder: Recorder = recorder or Recorder(None)
        self.turns: list[Turn] = []
        self.media_url: str | None = None
        """Media of the next question that may have some; None for none."""
        self.take_media(media)

    def take_media(self, media: str | None) -> None:
        """Take media for the first question; None for none.

        Raises:
            InvalidArgumentError: They cannot be sent.
        """
        self.media_url = None if media is None else media_url(media)
        self._media = None if media is None else media_reference(media)

    @property
    def model(self) -> str:
        """Name of the model that is asked."""
        name = self.options.get("model_name")
        return config.default_model() if name is None or name is config.MODEL else name

    def begin(self) -> None:
        """Begin anew, with the same options."""
        self.turns = []
        self.take_media(None)
        self.recorder.begin()

    def with_question(self, question: str) -> list[Turn]:
        """Return the turns with a new question at their end; media go with the first one."""
        return [*self.turns, human_turn(question, self.media_url if not self.turns else None)]

    def add_answer(self, turns: Sequence[Turn], text: str) -> str | None:
        """Take an answer into the conversation, and keep it.

        Args:
            turns: The turns with the question at their end.
            text: The answer.

        Returns:
            What the user should know of how it is kept; None for nothing.
        """
        self.turns = [*turns, {"type": "model", "text": text}]
        return self.recorder.keep(Head(self.model, self.dataset, self.system), self.turns, self._media)

    @property
    def dataset(self) -> str | None:
        """The dataset that is asked; None for none."""
        return self.options.get("retrieval_dataset")

    def until_last_question(self) -> list[Turn] | None:
        """Return the turns up to the last question, to ask it again; None if there is none."""
        last = max((place for place, turn in enumerate(self.turns) if turn["type"] == "human"), default=None)
        return None if last is None else self.turns[: last + 1]

    def save(self, path: Path) -> None:
        """Write the conversation to a file that `load` reads.

        Raises:
            OSError: The file cannot be written.
        """
        document = {
            "model": self.model,
            "dataset": self.dataset,
            "system": self.system,
            "turns": self.turns,
        }
        path.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")

    def load(self, path: Path) -> None:
        """Go on with a conversation that was saved.

        Raises:
            OSError: The file cannot be read.
            UsageError: It is no saved conversation; nothing has changed then.
        """
        try:
            document: Any = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError):
            document = None
        turns = document.get("turns") if isinstance(document, Mapping) else None
        if not isinstance(turns, list) or not all(map(_is_turn, turns)):
            raise UsageError(f"{path} is no conversation that /save has written")
        self.begin()
        self.turns = [cast("Turn", {key: turn[key] for key in _TURN_KEYS if key in turn}) for turn in turns]
        self._media = next((media_reference(str(turn["media_url"])) for turn in turns if turn.get("media_url")), None)
        self.system = _text_or_none(document.get("system"))
        self.options["retrieval_dataset"] = _text_or_none(document.get("dataset"))
        if model := _text_or_none(document.get("model")):
            self.take_model(model)

    def go_on(self, kept: Kept, typed: Collection[str]) -> None:
        """Go on with a conversation that was kept.

        Args:
            kept: The conversation.
            typed: Which of `model`, `dataset` and `system` the user has set anew.

        Raises:
            UsageError: Its media is not there any more.
        """
        self.turns = [_turn_of(turn) for turn in kept.turns]
        self._media = next((turn.media for turn in kept.turns if turn.media is not None), None)
        if "model" not in typed and kept.head.model:
            self.take_model(kept.head.model)
        if "dataset" not in typed:
            self.options["retrieval_dataset"] = kept.head.dataset
        if "system" not in typed:
            self.system = kept.head.system

    def take_model(self, name: str) -> None:
        """Ask another model; the default one as if it were not named, so that a server may have another default."""
        self.options["model_name"] = config.MODEL if name == config.default_model() else name


def _turn_of(kept: KeptTurn) -> Turn:
    if kept.type == "model":
        return {"type": "model", "text": kept.text}
    try:
        return human_turn(kept.text, None if kept.media is None else media_url(kept.media))
    except InvalidArgumentError as error:
        raise UsageError(f"--continue: the conversation is about {kept.media}: {error.message}") from error


def _is_turn(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("type") in {"human", "model"} and isinstance(value.get("text"), str)


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
