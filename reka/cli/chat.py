"""`reka chat`: one question, or an interactive conversation."""

import sys
from collections.abc import Sequence
from typing import Annotated, Any, Final

import typer

import reka
from reka import config
from reka._protocol.sampling import PARAMETERS
from reka.cli import show
from reka.cli.conversation.answers import show_chunks, stream_answer
from reka.cli.conversation.commands import media_url
from reka.cli.conversation.state import Conversation, with_system
from reka.cli.documents.inputs import json_object
from reka.cli.errors import UsageError
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
_Dataset = Annotated[str | None, typer.Option(help="A prepared dataset to retrieve from.")]
_Filter = Annotated[
    str | None,
    typer.Option("--filter", metavar="JSON", help="With --dataset: condition on the metadata of its documents."),
]
_Media = Annotated[str | None, typer.Option(help="An image, video, audio file or PDF: a path or a URL.")]
_System = Annotated[str | None, typer.Option(help="Text that tells the model how to answer.")]
_Model = Annotated[str, typer.Option(help="Name of the model.")]
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
) -> None:
    """Ask a question, or hold a conversation.

    With --dataset the answer is followed by a table of the retrieved chunks.
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
    text = read_question(question, session)
    conversation = Conversation(options, system, None if media is None else media_url(media))
    with session.client() as client:
        if text is None:
            # Loaded here: the line editor is of use to an interactive chat alone.
            from reka.cli.conversation.talk import converse

            converse(client, conversation, debug=session.debug)
        else:
            _answer(client, session, conversation, text)


def read_question(argument: str | None, session: Session) -> str | None:
    """Read the question from the argument, else from a pipe; None means an interactive terminal.

    Raises:
        UsageError: The question is missing or empty.
    """
    if argument is None and sys.stdin.isatty():
        if session.as_json:
            raise UsageError("an interactive chat cannot be printed as one JSON document; pass QUESTION, or pipe it in")
        return None
    question = sys.stdin.read() if argument in {None, "-"} else argument
    if question is None or not question.strip():
        raise UsageError("the question is empty; pass QUESTION, or pipe it in")
    return question


def _answer(client: reka.Reka, session: Session, conversation: Conversation, question: str) -> None:
    """Answer one question: on a terminal as the answer comes, elsewhere when it is complete."""
    turns = with_system(conversation.with_question(question), conversation.system)
    if show.results().is_terminal and not session.as_json:
        show_chunks(stream_answer(client, turns, conversation.options)[1])
        return
    turn = _ask(client, turns, conversation.options)
    if session.as_json:
        session.write_json(turn)
        return
    show.answer(show.results(), turn["text"])
    show_chunks(turn.get("retrieved_chunks"))


def _ask(client: reka.Reka, turns: Sequence[Turn], options: reka.ChatOptions) -> reka.ModelTurn:
    with waiting(show.notes(), "waiting for the answer"):
        return client.chat(conversation_history=turns, **options)
