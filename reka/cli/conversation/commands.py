"""The commands of an interactive chat: lines that begin with a slash."""

import re
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from rich.table import Table

from reka._protocol.checks import expanded
from reka.cli.conversation.state import Conversation
from reka.cli.errors import UsageError

EXIT: Final = "/exit"
RETRY: Final = "/retry"
HELP: Final = "/help"

_NONE: Final = "none"
_COMMAND: Final = re.compile(r"/[A-Za-z?]")


class Command(NamedTuple):
    """A command."""

    argument: str
    """What follows its name, for the help; empty for nothing."""
    about: str
    run: Callable[[Conversation, str], str] | None
    """Changes the conversation, and returns what it has done, on one line; None for what the chat itself does."""


def _dataset(conversation: Conversation, name: str) -> str:
    if name:
        conversation.options["retrieval_dataset"] = None if name == _NONE else name
    used = conversation.dataset
    return f"answers use the dataset {used}" if used else "answers use no dataset"


def _model(conversation: Conversation, name: str) -> str:
    if name:
        conversation.options["model_name"] = name
    return f"the model is {conversation.model}"


def _media(conversation: Conversation, media: str) -> str:
    if conversation.turns:
        raise UsageError("/media goes with the first question; /new begins a conversation anew")
    if not media:
        raise UsageError("/media: want a path or a URL")
    conversation.take_media(None if media == _NONE else media)
    return "no media" if conversation.media_url is None else "the first question goes with it"


def _system(conversation: Conversation, text: str) -> str:
    if text:
        conversation.system = None if text == _NONE else text
    return "no system text" if conversation.system is None else f"the system text is: {conversation.system}"


def _save(conversation: Conversation, path: str) -> str:
    if not path:
        raise UsageError("/save: want a file")
    conversation.save(expanded(path, "/save"))
    return f"saved in {path}; /load {path} goes on with it"


def _load(conversation: Conversation, path: str) -> str:
    if not path:
        raise UsageError("/load: want a file that /save has written")
    conversation.load(expanded(path, "/load"))
    return f"{len(conversation.turns)} turns from {path}"


def _new(conversation: Conversation, _: str) -> str:
    conversation.begin()
    return "a new conversation"


COMMANDS: Final[Mapping[str, Command]] = {
    HELP: Command("", "show this list", None),
    "/dataset": Command("NAME", "answer from a prepared dataset; none for no dataset", _dataset),
    "/media": Command("PATH or URL", "ask about an image, a video, audio or a PDF", _media),
    "/model": Command("NAME", "use another model", _model),
    "/system": Command("TEXT", "tell the model how to answer; none for nothing", _system),
    RETRY: Command("", "ask the last question again", None),
    "/new": Command("", "begin anew", _new),
    "/save": Command("FILE", "save the conversation", _save),
    "/load": Command("FILE", "go on with a saved one", _load),
    EXIT: Command("", "quit; so does Ctrl-D", None),
}


def parse_command(line: str) -> tuple[str, str] | None:
    """Divide a line into a command's name and its argument; None if it is a question.

    Code, paths and text after a space are questions, and so is what has several lines, unless it names a command.

    Raises:
        UsageError: It begins with a slash and a letter, and names no command.
    """
    name, _, argument = line.strip().partition(" ")
    if not _COMMAND.match(line) or "/" in name[1:] or ("\n" in line.strip() and name not in COMMANDS):
        return None
    if name not in COMMANDS:
        raise UsageError(
            f"there is no command {name[:40]}; {HELP} lists them; a space before the slash makes it a question"
        )
    return name, argument.strip()


def help_table() -> Table:
    """Describe the commands, for a terminal of any width."""
    table = Table.grid(padding=(0, 2, 0, 0))
    for name, command in COMMANDS.items():
        table.add_row(f"{name} {command.argument}".strip(), command.about)
    return table
