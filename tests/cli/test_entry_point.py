"""The `reka` command as a process: what the shell sees of it."""

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from reka import __version__
from reka.cli.logs.store import Head, KeptTurn, LogStore
from reka.testing import FakeReka, say_nothing
from tests.support.clients import KEY
from tests.support.command_line import enable_sigint

REKA = [sys.executable, "-m", "reka.cli"]


def test_the_version_is_the_packages() -> None:
    done = subprocess.run([*REKA, "--version"], capture_output=True, text=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, f"reka {__version__}\n", "")


def test_without_its_extra_the_command_says_what_to_install() -> None:
    script = "import sys; sys.modules['typer'] = None; from reka.cli import main; main()"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert done.returncode == 1
    assert (
        done.stderr
        == "error: the reka command needs more packages; install this package with the extra `cli`: reka[cli]\n"
    )


def test_importing_the_command_imports_nothing_heavy() -> None:
    script = "import sys, reka.cli; print(sorted({'typer', 'rich', 'requests', 'pydantic'} & set(sys.modules)))"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"


def test_options_of_every_command_may_stand_before_or_after_its_name(fake: FakeReka) -> None:
    for arguments in (["--json", "--base-url", fake.url, "models"], ["models", "--json", "--base-url", fake.url]):
        fake.will_answer(200, ["m"])

        done = subprocess.run([*REKA, *arguments], capture_output=True, text=True, check=False, env=_with_key())

        assert (done.returncode, done.stdout, done.stderr) == (0, '[\n  "m"\n]\n', "")


def test_a_closed_pipe_ends_the_command_quietly(fake: FakeReka) -> None:
    fake.will_answer(200, [f"model-{number}" for number in range(20_000)])

    with subprocess.Popen(
        [*REKA, "models", "--base-url", fake.url], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=_with_key()
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == b"model-0\n"
        process.stdout.close()

        assert process.stderr.read() == b""
        assert process.wait(30) == 141


def test_a_pipe_that_was_closed_before_the_first_byte_ends_the_command_quietly(fake: FakeReka) -> None:
    fake.will_answer(200, ["m"])
    reader, writer = os.pipe()
    os.close(reader)

    done = subprocess.run(
        [*REKA, "models", "--json", "--base-url", fake.url],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=_with_key(),
        check=False,
    )
    os.close(writer)

    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize(
    ("closed", "arguments", "code", "said"),
    [
        ("<&-", "chat", 2, "error: the question is empty; pass QUESTION, or pipe it in\n"),
        (">&-", "--version", 141, ""),
        (">&-", "logs", 141, ""),
        (">&-", "config --json", 141, ""),
        (">&- <&-", "logs", 141, ""),
        ("2>&-", "chat", 2, ""),
        ("<&- >&- 2>&-", "chat", 2, ""),
    ],
)
def test_a_stream_that_is_closed_has_nothing_to_read_or_nobody_who_reads(
    tmp_path: Path, closed: str, arguments: str, code: int, said: str
) -> None:
    environment = {**_with_key(), "REKA_LOGS": str(tmp_path / "logs.db"), "REKA_BASE_URL": "http://127.0.0.1:9"}
    LogStore(tmp_path / "logs.db").save(None, Head(None, None, None), [KeptTurn("human", "Hi")])

    done = subprocess.run(
        ["sh", "-c", f'exec "$@" {arguments} {closed}', "sh", *REKA],
        input="",
        capture_output=True,
        text=True,
        check=False,
        env=environment,
    )

    assert done.returncode == code
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert "Error" not in done.stderr


def test_ctrl_c_ends_a_question_with_one_line(fake: FakeReka) -> None:
    arrived = threading.Event()

    def hold(handler: Any) -> None:
        arrived.set()
        say_nothing(handler)

    fake.will_give(hold)

    with subprocess.Popen(
        [*REKA, "chat", "hi", "--base-url", fake.url],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_with_key(),
        preexec_fn=enable_sigint,
    ) as process:
        assert arrived.wait(30)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)

    assert (process.returncode, out, err) == (130, "", "error: interrupted\n")


def test_an_answer_that_the_locale_cannot_write_is_written_with_question_marks(fake: FakeReka) -> None:
    fake.will_answer(200, {"type": "model", "text": "Zoë"})

    done = subprocess.run(
        [*REKA, "chat", "who?", "--base-url", fake.url],
        capture_output=True,
        check=False,
        env=_with_key() | {"PYTHONIOENCODING": "ascii"},
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"Zo?\n", b"")


def _with_key() -> dict[str, str]:
    return {**os.environ, "REKA_API_KEY": KEY}
