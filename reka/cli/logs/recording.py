"""Keeping a conversation while it goes on."""

import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reka._protocol.media import is_media_url
from reka.cli.configuration.file import without_password
from reka.cli.errors import reason_of
from reka.cli.logs.store import Head, Kept, KeptTurn, LogStore


class Recorder:
    """Keeps a conversation after each answer, or says once why it cannot."""

    def __init__(self, store: LogStore | None, kept: Kept | None = None) -> None:
        """Begin with a new conversation, or go on with one.

        Args:
            store: Where it is kept; None for nowhere.
            kept: How it is kept already; None if it is not.
        """
        self._store = store
        self._kept = kept
        self._is_abandoned = False

    @property
    def keeps_nothing(self) -> bool:
        """Whether the user wants nothing to be kept."""
        return self._store is None

    @property
    def number(self) -> int | None:
        """Number under which the conversation is kept; None if it is not."""
        return None if self._kept is None else self._kept.id

    def begin(self) -> None:
        """What is kept from now on is another conversation."""
        self._kept, self._is_abandoned = None, False

    def keep(self, head: Head, turns: Sequence[Mapping[str, Any]], media: str | None) -> str | None:
        """Keep the conversation as it is now.

        Args:
            head: What it has besides its turns.
            turns: All its turns.
            media: Path or address of the media of the first one; None for none.

        Returns:
            What the user should know; None for nothing.
        """
        if self._store is None or self._is_abandoned:
            return None
        before = self.number
        try:
            kept = self._store.save(self._kept, head, [_kept_turn(turn, media) for turn in turns])
        except (OSError, sqlite3.Error) as error:
            self._is_abandoned = True
            return f"the conversation is not kept: {self._store.path}: {reason_of(error)}"
        if kept is None:
            self._kept, self._is_abandoned = None, True
            return f"conversation {before} was deleted meanwhile, and is not kept any more"
        self._kept = kept
        if before in {None, kept.id}:
            return None
        return f"conversation {before} went on elsewhere meanwhile; this one is kept as {kept.id}"


def media_reference(media: str) -> str:
    """Name media for later: the path of a file, or an address; of a `data:` URL only what it is."""
    if media.startswith("data:"):
        return media.partition(",")[0].partition(";")[0]
    return without_password(media) if is_media_url(media) else str(Path(media).absolute())


def _kept_turn(turn: Mapping[str, Any], media: str | None) -> KeptTurn:
    # JSON may have half a character in it, which no file takes.
    text = str(turn["text"]).encode(errors="replace").decode()
    return KeptTurn(str(turn["type"]), text, media if turn.get("media_url") else None)
