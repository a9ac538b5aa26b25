"""Checks a conversation, which is a list of turns: plain dicts, as the documented API defines them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from reka._protocol.media import is_media_url
from reka.errors import InvalidConversationError
from reka.types import Turn

_SPEAKERS: Final = ("human", "model")
_SENT: Final = frozenset({"type", "text", "media_url"})


def conversation(
    history: Sequence[Turn | Mapping[str, Any]] | None, human: str | None, media_url: str | None
) -> list[dict[str, str]]:
    """Build the turns of a request. The history is not changed.

    Args:
        history: The turns so far; None is none.
        human: Text of a further human turn; None adds no turn.
        media_url: URL of the media in that turn; None is no media.

    Returns:
        New turns, with only the keys that are sent.

    Raises:
        InvalidConversationError: The turns are not a valid conversation; the message names the turn's index.
    """
    if history is not None and (isinstance(history, str | bytes | Mapping) or not isinstance(history, Sequence)):
        raise InvalidConversationError(
            f"conversation_history: got {type(history).__name__}, want a list of turns such as "
            '[{"type": "human", "text": "Hi"}]'
        )
    turns: list[object] = list(history or ())
    if human is not None:
        turns.append({"type": "human", "text": human} | ({} if media_url is None else {"media_url": media_url}))
    if not turns:
        raise InvalidConversationError("the conversation is empty: give human=..., or conversation_history with turns")
    return [_check_turn(index, turn) for index, turn in enumerate(turns)]


def _check_turn(index: int, turn: object) -> dict[str, str]:
    """Return a turn with only the keys that are sent."""
    if not isinstance(turn, Mapping):
        raise _turn_error(index, f"got {type(turn).__name__}, want a dict with the keys 'type' and 'text'")
    speaker = _SPEAKERS[index % 2]
    if turn.get("type") != speaker:
        raise _turn_error(
            index,
            f"got type {turn.get('type')!r}, want {speaker!r}: human and model take turns, and human begins",
        )
    if "media_url" in turn and index > 0:
        raise _turn_error(index, "has a media_url; media goes into the first turn, and this API takes one")
    # A model turn may be an answer, which has whatever the server sent.
    if speaker == "human" and not turn.keys() <= _SENT:
        unknown = sorted(str(key) for key in turn.keys() - _SENT)
        raise _turn_error(index, f"has unknown keys {', '.join(unknown)}; a human turn has 'type' and 'text'")
    sent = {key: value for key, value in turn.items() if key in _SENT}
    for key in ("text", "media_url") if "media_url" in sent else ("text",):
        if not isinstance(sent.get(key), str):
            got = f"got {type(sent[key]).__name__}" if key in sent else "is missing"
            raise _turn_error(index, f"{key} {got}, want a string")
    if "media_url" in sent and not is_media_url(sent["media_url"]):
        raise _turn_error(index, "media_url is no http(s) or data URL; a local file goes into chat's media_filename")
    return sent


def _turn_error(index: int, what: str) -> InvalidConversationError:
    return InvalidConversationError(f"turn {index} {what}")
