"""An answer on a terminal, from the first word to the table of its chunks."""

from collections.abc import Sequence

import reka
from reka.cli import show
from reka.cli.conversation.live import LiveAnswer
from reka.cli.progress import waiting
from reka.types import RetrievedChunk, Turn


def stream_answer(
    client: reka.Reka, turns: Sequence[Turn], options: reka.ChatOptions
) -> tuple[str, list[RetrievedChunk] | None]:
    """Ask, and show the answer on the terminal as it comes.

    Returns:
        The answer's text, and the retrieved chunks if a dataset is named.
    """
    console = show.results()
    events = client.stream(conversation_history=turns, **options)
    with waiting(show.notes(), "waiting for the answer"):
        event = next(events, None)
    pieces: list[str] = []
    chunks: list[RetrievedChunk] | None = None
    with LiveAnswer(console).shown() as answer:
        while event is not None:
            pieces.append(event.text)
            answer.feed(event.text)
            chunks = event.retrieved_chunks if event.retrieved_chunks is not None else chunks
            event = next(events, None)
    return "".join(pieces), chunks


def show_chunks(chunks: Sequence[RetrievedChunk] | None) -> None:
    """Show retrieved chunks below an answer; nothing if no dataset is named."""
    if chunks is not None:
        console = show.results()
        console.print()
        show.chunks(console, chunks)
