"""An interactive chat: questions and commands, one after the other, until the end of input."""

from collections.abc import Sequence

from rich.text import Text

import reka
from reka.cli import show
from reka.cli.conversation.answers import show_chunks, stream_answer
from reka.cli.conversation.commands import COMMANDS, EXIT, HELP, RETRY, help_table, parse_command
from reka.cli.conversation.prompt import make_prompt
from reka.cli.conversation.state import Conversation, with_system
from reka.cli.errors import UsageError, report
from reka.types import Turn


def converse(client: reka.Reka, conversation: Conversation, *, debug: bool) -> None:
    """Chat until the end of input. A question without an answer is dropped; the conversation before it is kept."""
    _note(f"Interactive chat. {HELP} lists commands, Alt-Enter begins a line, Ctrl-C stops an answer, Ctrl-D quits.")
    if conversation.turns:
        _note(f"It goes on after {len(conversation.turns)} turns: {show.excerpt(conversation.turns[0]['text'], 60)}")
    _talk(client, conversation, debug=debug)
    if conversation.recorder.number is not None:
        _note(f"reka chat --continue {conversation.recorder.number} goes on with this conversation")


def _talk(client: reka.Reka, conversation: Conversation, *, debug: bool) -> None:
    prompt = make_prompt(keeps_history=not conversation.recorder.keeps_nothing)
    while True:
        try:
            show.notes().print()
            line = prompt.prompt()
        except EOFError:
            return
        except KeyboardInterrupt:
            _note(f"Ctrl-D or {EXIT} quits")
            continue
        try:
            command = parse_command(line)
            if command is not None and command[0] == EXIT:
                return
            turns = _turns_to_send(line, command, conversation)
        except Exception as error:  # noqa: BLE001  # it ends the command, not the conversation
            report(error, as_json=False, debug=debug)
            continue
        if turns is not None:
            _answer(client, conversation, turns, debug=debug)


def _turns_to_send(line: str, command: tuple[str, str] | None, conversation: Conversation) -> list[Turn] | None:
    """Run a command, if the line is one, and return the turns that end with what is asked; None if nothing is."""
    if command is None:
        return conversation.with_question(line) if line.strip() else None
    name, argument = command
    if name == HELP:
        show.notes().print(help_table(), style="dim")
        return None
    if name == RETRY:
        turns = conversation.until_last_question()
        if turns is None:
            raise UsageError(f"{RETRY}: there is no question yet")
        return turns
    run = COMMANDS[name].run
    assert run is not None
    _note(show.one_line(run(conversation, argument)))
    return None


def _answer(client: reka.Reka, conversation: Conversation, turns: Sequence[Turn], *, debug: bool) -> None:
    try:
        text, chunks = stream_answer(client, with_system(turns, conversation.system), conversation.options)
    except KeyboardInterrupt:
        _note("stopped; the conversation stays as it was")
        return
    except (reka.AuthError, BrokenPipeError):
        raise
    except Exception as error:  # noqa: BLE001  # it ends the question, not the conversation
        report(error, as_json=False, debug=debug)
        return
    note = conversation.add_answer(turns, text)
    show_chunks(chunks)
    if note is not None:
        _note(note)


def _note(text: str) -> None:
    show.notes().print(Text(text, style="dim"))
