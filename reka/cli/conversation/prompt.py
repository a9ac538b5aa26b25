"""The prompt of an interactive chat: a line editor with a history over sessions, for lines and pastes of any length."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from platformdirs import user_config_path
from prompt_toolkit import PromptSession
from prompt_toolkit.completion import WordCompleter
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.key_binding import KeyBindings

from reka.cli.conversation.commands import COMMANDS

if TYPE_CHECKING:
    from prompt_toolkit.key_binding import KeyPressEvent

_PRIVATE: Final = 0o600


def make_prompt(*, keeps_history: bool) -> "PromptSession[str]":
    """Make a prompt. Enter sends what is written, Alt-Enter begins a new line, and so does each line of a paste.

    Args:
        keeps_history: Whether what is written is there for the up key in later sessions.
    """
    keys = KeyBindings()

    @keys.add("escape", "enter")
    def _(event: "KeyPressEvent") -> None:
        event.current_buffer.insert_text("\n")

    completer = WordCompleter(list(COMMANDS), sentence=True)
    return PromptSession(
        "> ",
        history=_history(user_config_path("reka") / "history") if keeps_history else InMemoryHistory(),
        completer=completer,
        complete_while_typing=False,
        key_bindings=keys,
        prompt_continuation="  ",
    )


def _history(path: Path) -> History:
    """Open the history; one that cannot be kept lasts for the session."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch(mode=_PRIVATE)
    except OSError:
        return InMemoryHistory()
    return FileHistory(str(path))
