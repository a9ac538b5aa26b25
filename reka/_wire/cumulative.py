"""Telling text-so-far from new text, where a server's stream does not say which it sends."""

from enum import Enum


class _Mode(Enum):
    UNDECIDED = 1
    DELTAS = 2
    CUMULATIVE = 3


class DeltaExtractor:
    """Takes a stream's texts one by one and gives the new part of each.

    By the protocol each text is new. A server of the older generation repeats all before it, which every client that
    did not know printed as doubled text. The texts tell: in a cumulative stream each begins with the one before it.
    One such text may be chance ("ha", "haha"), so it is held until the next one shows which it was; from then on, and
    in every stream whose second text does not begin with its first, nothing is held.

    Args:
        so_far: The text so far, where it is known that each text repeats it; None lets the texts tell.
    """

    __slots__ = ("_held", "_mode", "_so_far")

    def __init__(self, so_far: str | None = None) -> None:
        self._mode = _Mode.UNDECIDED if so_far is None else _Mode.CUMULATIVE
        self._so_far = so_far or ""
        self._held = ""

    def of(self, text: str) -> str:
        """Give what is new in the next text."""
        if self._mode is _Mode.DELTAS or not text:
            return text
        if self._mode is _Mode.CUMULATIVE:
            return self._rest(text)
        return self._undecided(text)

    def finish(self) -> str:
        """Give what is still held, as the new text that it is by the protocol."""
        held, self._held = self._held, ""
        return held

    def _undecided(self, text: str) -> str:
        if self._held:
            held, self._held = self._held, ""
            if _extends(text, held):
                self._mode = _Mode.CUMULATIVE
                return self._rest(text)
            self._mode = _Mode.DELTAS
            return held + text
        if not self._so_far:
            self._so_far = text
            return text
        if _extends(text, self._so_far):
            self._held = text
            return ""
        self._mode = _Mode.DELTAS
        return text

    def _rest(self, text: str) -> str:
        if not text.startswith(self._so_far):
            self._so_far += text
            return text
        rest, self._so_far = text[len(self._so_far) :], text
        return rest


def _extends(text: str, start: str) -> bool:
    return len(text) > len(start) and text.startswith(start)
