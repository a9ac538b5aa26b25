"""`reka demo`: the documented job from the first byte to the last, on the server embedded in this process."""

import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

import reka
from reka.cli import show
from reka.cli.demo.frameworks import ADAPTERS, load_demo
from reka.cli.demo.texts import write_language_reference
from reka.cli.errors import StepError, UsageError
from reka.cli.progress import job_bar, upload_bar, waiting
from reka.cli.retrieval import status_document, status_line
from reka.cli.session import Session
from reka.config import LOCAL
from reka.types import Turn

_DATASET: Final = "python-reference"
_QUESTIONS: Final = (
    "How does the with statement work?",
    "How do I catch an exception and still run cleanup code?",
    "Which objects are considered false?",
)
_HISTORY: Final[tuple[Turn, ...]] = (
    {"type": "human", "text": "Hi, my name is John."},
    {"type": "model", "text": "Hi, I'm Reka's assistant."},
)
_CHUNKS_SHOWN: Final = 4
_INDENT: Final = 3


def demo(session: Session) -> None:
    """See the main job done: upload a text collection, prepare it, chat over it, delete it.

    Runs on the embedded server, without key or network, and leaves nothing behind. The text is the Python language
    reference that comes with Python.
    """
    if session.base_url not in {None, LOCAL}:
        raise UsageError("the demo runs on the embedded server alone; leave out --base-url")
    console = show.results(quiet=session.as_json)
    began = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="reka-demo-") as folder, _embedded_server(Path(folder)) as address:
        document = _Tour(console, address, Path(folder)).run()
    if session.as_json:
        session.write_json(document)
    console.print(Text(f"\nDone in {time.monotonic() - began:.1f} s; nothing is left behind.", style="bold green"))


class _Tour:
    """The steps of the demo, each shown as it goes and kept for the one JSON document."""

    def __init__(self, console: Console, address: str, folder: Path) -> None:
        self._console = console
        self._address = address
        self._folder = folder
        self._step = 0

    def run(self) -> dict[str, Any]:
        """Take every step.

        Raises:
            StepError: A step ended without what it is for.
            reka.RekaError: A call failed.
        """
        self._introduce()
        with waiting(self._console, "starting the embedded server"):
            reka.get_models()
        stored = self._upload()
        job = self._prepare()
        answers = [self._ask(question) for question in _QUESTIONS]
        conversation = self._converse()
        frameworks = {framework: self._ask_framework(framework) for framework in ADAPTERS}
        return {
            "dataset": stored,
            "retrieval": job,
            "answers": answers,
            "conversation": conversation,
            **frameworks,
            "deleted": self._delete(),
        }

    def _introduce(self) -> None:
        self._console.print(Rule(Text("reka demo", style="bold"), style="cyan"))
        self._console.print(
            Text(
                "A text collection is uploaded, prepared for retrieval and asked, on a server inside this process: no "
                "key, no network. No language model is attached to it, so each answer is a quotation of the sentences "
                "that fit best."
            )
        )

    def _upload(self) -> dict[str, Any]:
        self._begin("Upload", f'reka.add_dataset("python.zip", "{_DATASET}")')
        texts = write_language_reference(self._folder / "python.zip")
        self._say(f"the Python language reference: {texts.texts} texts, {texts.text_bytes / 1000:.0f} kB, as a zip")
        with upload_bar(self._console, indent=_INDENT) as on_progress:
            stored = reka.add_dataset(texts.path, _DATASET, "Topics of Python's help()", on_progress=on_progress)
        _expect(bool(stored["ok"]), f"the server did not take the collection: {stored['info']}")
        self._say(f"stored as {stored['name']}", done=True)
        return dict(stored)

    def _prepare(self) -> dict[str, object]:
        self._begin("Prepare", f'reka.wait_for_retrieval(reka.prepare_retrieval("{_DATASET}"))')
        job_id = reka.prepare_retrieval(_DATASET)
        with job_bar(self._console, indent=_INDENT) as on_update:
            state = reka.wait_for_retrieval(job_id, on_update=on_update)
        self._console.print(show.indented(status_line(state), _INDENT))
        return status_document(job_id, state)

    def _ask(self, question: str) -> dict[str, Any]:
        self._begin(question, f'reka.chat(question, retrieval_dataset="{_DATASET}")')
        with waiting(self._console, "asking"):
            turn = reka.chat(question, retrieval_dataset=_DATASET)
        self._show(question, turn["text"], turn.get("retrieved_chunks", []))
        return {"question": question, **turn}

    def _converse(self) -> list[Turn]:
        self._begin("A conversation, without a dataset", "reka.chat(human=..., conversation_history=...)")
        question = "What was my name?"
        turn = reka.chat(human=question, conversation_history=list(_HISTORY))
        _expect("John" in turn["text"], f"{question!r} was answered with {turn['text']!r}")
        asked: Turn = {"type": "human", "text": question}
        turns: list[Turn] = [*_HISTORY, asked, turn]
        said = Table.grid(padding=(0, 2, 0, 0))
        for spoken in turns:
            speaker = Text("you", "bold blue") if spoken["type"] == "human" else Text("model", "bold magenta")
            said.add_row(speaker, Text(show.clean(spoken["text"]).strip()))
        self._console.print()
        self._console.print(show.indented(said, _INDENT))
        return turns

    def _ask_framework(self, framework: str) -> dict[str, Any] | None:
        with waiting(self._console, f"loading {framework}"):
            demo = load_demo(framework)
        if demo is None:
            self._begin(framework)
            self._say(f"skipped: this project's {ADAPTERS[framework]} is not installed")
            return None
        self._begin(f"{framework}: {demo.QUESTION}", demo.CODE)
        with waiting(self._console, "asking"):
            answer, chunks = demo.ask(self._address, _DATASET)
        self._show(demo.QUESTION, answer, chunks)
        return {"question": demo.QUESTION, "text": answer, "retrieved_chunks": chunks}

    def _delete(self) -> dict[str, Any]:
        self._begin("List and delete", f'reka.list_datasets(); reka.delete_dataset("{_DATASET}")')
        names = reka.list_datasets()
        _expect(names == [_DATASET], f"the list of datasets is {names}")
        deleted = reka.delete_dataset(_DATASET)
        left = reka.list_datasets()
        _expect(not left, f"after the deletion there is still {left}")
        self._say(f"listed {', '.join(names)}; deleted it; the list is empty again", done=True)
        return dict(deleted)

    def _begin(self, title: str, code: str = "") -> None:
        self._step += 1
        self._console.print()
        self._console.print(Text.assemble((f"{self._step:<{_INDENT}}", "bold cyan"), (title, "bold")))
        if code:
            self._console.print(show.indented(Text(code, style="dim"), _INDENT))

    def _say(self, what: str, *, done: bool = False) -> None:
        line = Text.assemble(("✓ " if done else "", "green"), what)
        self._console.print(show.indented(line, _INDENT))

    def _show(self, question: str, answer: str, chunks: list[reka.RetrievedChunk]) -> None:
        _expect(bool(answer.strip()), f"{question!r} got no answer")
        _expect(bool(chunks), f"{question!r} retrieved nothing")
        self._console.print()
        show.answer(self._console, answer, indent=_INDENT)
        self._console.print()
        show.chunks(self._console, chunks[:_CHUNKS_SHOWN], indent=_INDENT)


@contextmanager
def _embedded_server(folder: Path) -> Iterator[str]:
    """Point the module-level functions at a server whose data lies in a folder, and let it keep the datasets.

    At the end it is stopped, and the settings are as before.

    Raises:
        UsageError: The server's packages are not installed.
    """
    try:
        from reka.server.embedded import stop_local_servers
    except ModuleNotFoundError as error:
        raise UsageError(
            f"the demo needs more packages ({error.name} is missing): "
            "install this package with the extra `all`, reka[all]"
        ) from error
    address, before = f"local:{folder / 'server'}", reka.BASE_URL
    place = os.environ.pop("REKA_DATASETS", None)
    reka.BASE_URL = address
    try:
        yield address
    finally:
        reka.BASE_URL = before
        if place is not None:
            os.environ["REKA_DATASETS"] = place
        stop_local_servers()


def _expect(is_so: bool, complaint: str) -> None:
    if not is_so:
        raise StepError(complaint)
