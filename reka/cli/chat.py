"""`reka chat`: one question, or an interactive conversation."""

import sqlite3
import sys
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand

import reka
from reka import config
from reka._protocol.checks import require_utf8
from reka._protocol.sampling import PARAMETERS
from reka.cli import show
from reka.cli.conversation.answers import show_chunks, stream_answer
from reka.cli.conversation.state import Conversation, with_system
from reka.cli.documents.inputs import json_object
from reka.cli.errors import StepError, UsageError, reason_of
from reka.cli.logs.recording import Recorder
from reka.cli.logs.store import Kept, LogStore, logs_path
from reka.cli.progress import waiting
from reka.cli.session import Session
from reka.types import Turn

_SAMPLING: Final = "Sampling"


def _option(parameter: str, text: str, panel: str | None = _SAMPLING) -> Any:
    """Option of a sampling parameter, with the limits that client and server share."""
    limits = PARAMETERS[parameter]
    return typer.Option(min=limits.least, max=limits.most, help=text, rich_help_panel=panel)


_Question = Annotated[
    str | None, typer.Argument(help="The question; - reads it from standard input. Default: an interactive chat.")
]
_Dataset = Annotated[str | None, typer.Option(metavar="NAME", help="A prepared dataset to retrieve from.")]
_Filter = Annotated[
    str | None,
    typer.Option("--filter", metavar="JSON", help="With --dataset: condition on the metadata of its documents."),
]
_Media = Annotated[
    str | None, typer.Option(metavar="FILE or URL", help="An image, video, audio file or PDF: a path or a URL.")
]
_System = Annotated[str | None, typer.Option(help="Text that tells the model how to answer.")]
_Model = Annotated[str, typer.Option(metavar="NAME", help="Name of the model.")]
_MaxTokens = Annotated[int | None, _option("max_tokens", "Maximum length of the answer, in tokens.", None)]
_Temperature = Annotated[float | None, _option("temperature", "Randomness, from 0; higher is more diverse.")]
_Seed = Annotated[int | None, _option("seed", "Random seed.")]
_TopK = Annotated[int | None, _option("top_k", "Sample from the k most likely tokens.")]
_TopP = Annotated[float | None, _option("top_p", "Sample from the most likely tokens up to p.")]
_FrequencyPenalty = Annotated[
    float | None, _option("frequency_penalty", "Penalty for repeated tokens, by their count; 0 is none.")
]
_PresencePenalty = Annotated[float | None, _option("presence_penalty", "Penalty for repeated tokens; 0 is none.")]
_LengthPenalty = Annotated[float | None, _option("length_penalty", "Penalty for short answers; 1 is none.")]
_Stop = Annotated[
    list[str] | None,
    typer.Option(help="Text at which the answer stops; may be repeated.", rich_help_panel=_SAMPLING),
]
_CONTINUE: Final = ("--continue", "-c")
_LAST: Final = 0
"""Stands for the conversation that changed last."""

_Continue = Annotated[
    int | None,
    typer.Option(
        *_CONTINUE,
        metavar="[ID]",
        min=_LAST,
        help="Go on with a conversation of reka logs. Default: the last one.",
    ),
]
_Log = Annotated[bool, typer.Option("--log/--no-log", help="Keep the conversation for reka logs and --continue.")]


def chat(
    session: Session,
    question: _Question = None,
    dataset: _Dataset = None,
    media: _Media = None,
    model: _Model = config.MODEL,
    max_tokens: _MaxTokens = None,
    temperature: _Temperature = None,
    seed: _Seed = None,
    top_k: _TopK = None,
    top_p: _TopP = None,
    frequency_penalty: _FrequencyPenalty = None,
    presence_penalty: _PresencePenalty = None,
    length_penalty: _LengthPenalty = None,
    stop: _Stop = None,
    condition: _Filter = None,
    system: _System = None,
    continued: _Continue = None,
    log: _Log = True,
) -> None:
    """Ask a question, or hold a conversation.

    With --dataset the answer is followed by a table of the retrieved chunks. Conversations are kept for reka logs and
    --continue, on this machine, unless --no-log says otherwise.
    """
    options: reka.ChatOptions = {
        "retrieval_dataset": dataset,
        "model_name": model,
        "request_output_len": max_tokens,
        "temperature": temperature,
        "random_seed": seed,
        "runtime_top_k": top_k,
        "runtime_top_p": top_p,
        "frequency_penalty": frequency_penalty,
        "presence_penalty": presence_penalty,
        "length_penalty": length_penalty,
        "stop_words": stop,
        "retrieval_filter": json_object(condition, "--filter"),
    }
    require_utf8(system, "--system")
    text = read_question(question, session)
    conversation = _conversation(session, options, system, media, continued, log=log)
    with session.client() as client:
        if text is None:
            # Loaded here: the line editor is of use to an interactive chat alone.
            from reka.cli.conversation.talk import converse

            converse(client, conversation, debug=session.debug)
        else:
            _answer(client, session, conversation, text)


def _conversation(
    session: Session,
    options: reka.ChatOptions,
    system: str | None,
    media: str | None,
    continued: int | None,
    *,
    log: bool,
) -> Conversation:
    """Begin a conversation, or go on with one that is kept."""
    store = LogStore(logs_path())
    if continued is None:
        return Conversation(options, system, media, Recorder(store if log else None))
    if media is not None:
        raise UsageError("--media goes with the first question of a conversation; leave out --continue")
    kept = _find(store, continued)
    conversation = Conversation(options, system, None, Recorder(store if log else None, kept))
    conversation.go_on(kept, session.typed)
    return conversation


class ChatCommand(TyperCommand):
    """`reka chat`, whose option --continue may have a number or none."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line, with the number that stands for the last conversation where none is given."""
        return super().parse_args(ctx, list(_with_numbers(args)))


def _with_numbers(arguments: Sequence[str]) -> Iterator[str]:
    """Give `--continue` a number, unless one follows: what follows else is the question, or another option."""
    is_over = False
    for place, argument in enumerate(arguments):
        yield argument
        is_over = is_over or argument == "--"
        following = arguments[place + 1] if place + 1 < len(arguments) else ""
        if argument in _CONTINUE and not is_over and not following.isdecimal():
            yield str(_LAST)


def _find(store: LogStore, number: int) -> Kept:
    try:
        kept = store.read(None if number == _LAST else number)
    except (OSError, sqlite3.Error) as error:
        raise StepError(f"{store.path}: {reason_of(error)}") from error
    if kept is None:
        what = "no conversation is kept yet" if number == _LAST else f"there is no conversation {number}"
        raise UsageError(f"--continue: {what}; reka logs lists them")
    return kept


def read_question(argument: str | None, session: Session) -> str | None:
    """Read the question from the argument, else from a pipe; None means an interactive terminal.

    Raises:
        UsageError: The question is missing or empty.
        InvalidArgumentError: It is not UTF-8.
    """
    if argument is None and sys.stdin.isatty():
        if session.as_json:
            raise UsageError("an interactive chat cannot be printed as one JSON document; pass QUESTION, or pipe it in")
        return None
    try:
        question = sys.stdin.read() if argument is None or argument == "-" else argument
    except UnicodeDecodeError as error:
        question = error.object.decode(errors="surrogateescape")  # as in other locales
    if not question.strip():
        raise UsageError("the question is empty; pass QUESTION, or pipe it in")
    require_utf8(question, "the question")
    return question


def _answer(client: reka.Reka, session: Session, conversation: Conversation, question: str) -> None:
    """Answer one question: on a terminal as the answer comes, elsewhere when it is complete."""
    turns = conversation.with_question(question)
    sent = with_system(turns, conversation.system)
    if show.results().is_terminal and not session.as_json:
        text, chunks = stream_answer(client, sent, conversation.options)
        _note(conversation.add_answer(turns, text))
        show_chunks(chunks)
        return
    turn = _ask(client, sent, conversation.options)
    _note(conversation.add_answer(turns, turn["text"]))
    if session.as_json:
        session.write_json(turn)
        return
    show.answer(show.results(), turn["text"])
    show_chunks(turn.get("retrieved_chunks"))


def _note(note: str | None) -> None:
    if note is not None:
        show.warn(note)


def _ask(client: reka.Reka, turns: Sequence[Turn], options: reka.ChatOptions) -> reka.ModelTurn:
    with waiting(show.notes(), "waiting for the answer"):
        return client.chat(conversation_history=turns, **options)
