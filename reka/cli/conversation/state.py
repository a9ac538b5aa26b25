"""What a conversation has: its turns, its options, and what goes with the next question."""

import json
from collections.abc import Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, cast

import reka
from reka.cli.errors import UsageError
from reka.types import Turn


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

    def __init__(self, options: reka.ChatOptions, system: str | None, media_url: str | None) -> None:
        """Begin a conversation.

        Args:
            options: Options of its chats.
            system: Text in front of the first question; None for none.
            media_url: Media of the next question that may have some; None for none.
        """
        self.options = options
        self.system = system
        self.media_url = media_url
        self.turns: list[Turn] = []

    def with_question(self, question: str) -> list[Turn]:
        """Return the turns with a new question at their end; media go with the first one."""
        return [*self.turns, human_turn(question, self.media_url if not self.turns else None)]

    def without_last(self) -> str | None:
        """Take the last question and its answer out, and return the question; None if there is none."""
        if len(self.turns) < 2:
            return None
        *self.turns, question, _ = self.turns
        self.media_url = cast("str | None", question.get("media_url")) or self.media_url
        return str(question["text"])

    def save(self, path: Path) -> None:
        """Write the conversation to a file that `load` reads.

        Raises:
            OSError: The file cannot be written.
        """
        document = {
            "model": self.options.get("model_name"),
            "dataset": self.options.get("retrieval_dataset"),
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
        except ValueError:
            document = None
        turns = document.get("turns") if isinstance(document, Mapping) else None
        if not isinstance(turns, list) or not all(map(_is_turn, turns)):
            raise UsageError(f"{path} is no conversation that /save has written")
        self.turns = turns
        self.system = _text_or_none(document.get("system"))
        self.options["retrieval_dataset"] = _text_or_none(document.get("dataset"))
        if model := _text_or_none(document.get("model")):
            self.options["model_name"] = model


def _is_turn(value: object) -> bool:
    return isinstance(value, Mapping) and value.get("type") in {"human", "model"} and isinstance(value.get("text"), str)


def _text_or_none(value: object) -> str | None:
    return value if isinstance(value, str) else None
