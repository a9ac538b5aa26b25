"""`reka chat`: one question, or a conversation at a prompt."""

import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Final

import typer
from rich.text import Text

import reka
from reka import config
from reka.cli import show
from reka.cli.errors import UsageError, report
from reka.cli.progress import waiting
from reka.cli.session import Session
from reka.media import media_url_of_file
from reka.types import Turn

_URL_SCHEMES: Final = ("http://", "https://", "data:")
_END: Final = "/exit"

_SAMPLING: Final = "Sampling"

Temperature = Annotated[float | None, typer.Option(min=0.0, help="Higher is more diverse.", rich_help_panel=_SAMPLING)]
Seed = Annotated[int | None, typer.Option(help="Another seed, another answer.", rich_help_panel=_SAMPLING)]
TopK = Annotated[int | None, typer.Option(min=1, help="Sample from the k likeliest tokens.", rich_help_panel=_SAMPLING)]
TopP = Annotated[
    float | None,
    typer.Option(min=0.0, max=1.0, help="Sample from the likeliest tokens up to p.", rich_help_panel=_SAMPLING),
]
RepetitionPenalty = Annotated[
    float | None, typer.Option(help="Against repeating; 0 is none.", rich_help_panel=_SAMPLING)
]
LengthPenalty = Annotated[
    float | None, typer.Option(help="Against short answers; 1 is none.", rich_help_panel=_SAMPLING)
]
Stop = Annotated[
    list[str] | None,
    typer.Option(help="End the answer before this text; may be given again.", rich_help_panel=_SAMPLING),
]


def chat(
    session: Session,
    question: Annotated[
        str | None,
        typer.Argument(help="What to ask; - reads it from standard input. Without it: a conversation at a prompt."),
    ] = None,
    dataset: Annotated[str | None, typer.Option(help="A prepared dataset to retrieve from.")] = None,
    media: Annotated[str | None, typer.Option(help="An image, video, audio or PDF: a file, or its address.")] = None,
    model: Annotated[str, typer.Option(help="The model that answers.")] = config.MODEL,
    max_tokens: Annotated[int | None, typer.Option(min=1, help="Most tokens of the answer.")] = None,
    temperature: Temperature = None,
    seed: Seed = None,
    top_k: TopK = None,
    top_p: TopP = None,
    frequency_penalty: RepetitionPenalty = None,
    presence_penalty: RepetitionPenalty = None,
    length_penalty: LengthPenalty = None,
    stop: Stop = None,
) -> None:
    """Ask a question, or hold a conversation.

    With --dataset the answer comes with a table of the chunks of text it is based on.
    """
    options: dict[str, object] = {
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
    }
    given = question_of(question, session)
    media_url = None if media is None else _media_url(media)
    with session.client() as client:
        if given is None:
            _converse(client, session, options, media_url)
            return
        turn = _ask(client, [human_turn(given, media_url)], options)
    if session.as_json:
        session.write_json(turn)
    else:
        _show(turn)


def question_of(argument: str | None, session: Session) -> str | None:
    """Find the question of a command: its argument, else what is piped in; None means that there is a person to ask.

    Raises:
        UsageError: There is neither, or the question is empty.
    """
    if argument is None and sys.stdin.isatty():
        if session.as_json:
            raise UsageError("a conversation at a prompt cannot be one JSON document; give QUESTION, or pipe it in")
        return None
    question = sys.stdin.read() if argument in {None, "-"} else argument
    if question is None or not question.strip():
        raise UsageError("the question is empty; give QUESTION, or pipe it in")
    return question


def human_turn(text: str, media_url: str | None) -> reka.HumanTurn:
    """Make a human turn, with media if there is any."""
    turn: reka.HumanTurn = {"type": "human", "text": text}
    if media_url is not None:
        turn["media_url"] = media_url
    return turn


def _media_url(media: str) -> str:
    is_url = media.lower().startswith(_URL_SCHEMES)
    return media if is_url else media_url_of_file(media)


def _ask(client: reka.Reka, turns: Sequence[Turn], options: Mapping[str, object]) -> reka.ModelTurn:
    with waiting(show.notes(), "waiting for the answer"):
        return client.chat(conversation_history=list(turns), **options)  # type: ignore[arg-type]  # by name, from above


def _show(turn: reka.ModelTurn) -> None:
    console = show.results()
    show.answer(console, turn["text"])
    if "retrieved_chunks" in turn:
        console.print()
        show.chunks(console, turn["retrieved_chunks"])


def _converse(client: reka.Reka, session: Session, options: Mapping[str, object], media_url: str | None) -> None:
    """Ask and answer until the end of input. A question with no answer is forgotten, what was said before is not."""
    with suppress(ImportError):
        import readline  # noqa: F401  # `input` then has line editing and the history of questions

    show.notes().print(Text(f"A conversation. Ctrl-C stops an answer, Ctrl-D or {_END} ends.", style="dim"))
    turns: list[Turn] = []
    while (question := _next_question()) is not None:
        if not question.strip():
            continue
        asked = [*turns, human_turn(question, media_url if not turns else None)]
        try:
            turn = _ask(client, asked, options)
        except KeyboardInterrupt:
            show.notes().print(Text("stopped; the question is forgotten", style="dim"))
            continue
        except reka.AuthError:
            raise
        except reka.RekaError as error:
            report(error, as_json=False, debug=session.debug)
            continue
        turns = [*asked, turn]
        _show(turn)


def _next_question() -> str | None:
    """Read a line; None at the end. Ctrl-C drops the line."""
    while True:
        try:
            line = input("\n> ")
        except EOFError:
            show.notes().print()
            return None
        except KeyboardInterrupt:
            show.notes().print(Text(f"\nCtrl-D or {_END} ends", style="dim"))
            continue
        return None if line.strip() == _END else line
