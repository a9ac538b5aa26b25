"""The code blocks of a page of documentation, to be run as they stand."""

import ast
import asyncio
import inspect
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from textwrap import dedent
from types import CodeType
from typing import Any, Final

from tests.support.processes import run_program as run_server

_BLOCK: Final = re.compile(
    r"(?:^<!-- no-run: (?P<reason>[^\n]*?) -->\n+)?"
    r"^(?P<indent> *)```(?P<language>\w*)[^\n]*\n(?P<code>.*?)^(?P=indent)```$",
    re.M | re.S,
)
_SERVES: Final = "reka serve "
_ADDRESS: Final = "http://127.0.0.1:8000"
_BEGINS_A_TEST: Final = re.compile(r"^(async )?def test_", re.M)
_BEGINS_A_PROGRAM: Final = ("import ", "from ")


@dataclass(frozen=True, slots=True)
class Block:
    """A block of code.

    Attributes:
        line: Line of the page on which its code begins.
        code: The code.
        reason: Why it is not run; None if it is.
    """

    line: int
    code: str
    reason: str | None


def blocks(page: str, language: str) -> list[Block]:
    """Find the blocks of a language on a page of Markdown."""
    return [
        Block(page.count("\n", 0, found.start("code")) + 1, dedent(found["code"]).rstrip(), found["reason"])
        for found in _BLOCK.finditer(page)
        if found["language"] == language
    ]


def programs(page: str) -> Iterator[list[Block]]:
    """Group the blocks that are run: one that begins with an import begins a program, others go on with it."""
    program: list[Block] = []
    for block in blocks(page, "python"):
        if block.reason is not None:
            continue
        if block.code.startswith(_BEGINS_A_PROGRAM) and program:
            yield program
            program = []
        program.append(block)
    if program:
        yield program


def is_of_tests(program: list[Block]) -> bool:
    """Whether a program is one of tests, which pytest runs."""
    return any(_BEGINS_A_TEST.search(block.code) for block in program)


def run_tests(program: list[Block], page: Path, folder: Path) -> None:
    """Have pytest run a program's tests, in a process of its own: no setting of ours is in force there.

    Args:
        program: The program.
        page: Where it stands.
        folder: Where its file is written.
    """
    file = folder / f"test_{page.stem.replace('-', '_')}_{program[0].line}.py"
    file.write_text("\n\n\n".join(block.code for block in program))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", str(file)],
        cwd=folder,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{page}:{program[0].line}\n{done.stdout}{done.stderr}"


def run_program(program: list[Block], path: Path, replacements: Mapping[str, str]) -> None:
    """Run the blocks of a program in one namespace; `await` may stand outside of functions, as in a notebook."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    with closing(asyncio.new_event_loop()) as loop:
        for block in program:
            result = eval(_compiled(block, path, replacements), namespace)
            if inspect.iscoroutine(result):
                loop.run_until_complete(result)


def run_commands(program: Iterable[Block], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a page's blocks of shell commands in a folder, one after the other, and give what they write.

    A server that one starts runs until all have ended, on a free port, and is found there by the commands after it.
    """
    written = []
    with ExitStack() as servers:
        address = _ADDRESS
        for block in program:
            commands = []
            for line in block.code.replace("\\\n", " ").splitlines():
                if line.startswith(_SERVES):
                    address = servers.enter_context(_serving(line, folder))
                else:
                    commands.append(line.replace(_ADDRESS, address))
            written.append(_output_of(commands, folder, environment))
    return "".join(written)


def _serving(line: str, folder: Path) -> AbstractContextManager[str]:
    arguments = shlex.split(line.replace("--port 8000", ""), comments=True)[1:]
    return run_server(sys.executable, "-m", "reka.cli", *arguments, "--port", "0", folder=folder)


def _output_of(commands: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    python = shlex.quote(sys.executable)
    script = "\n".join(
        ["set -e", f'reka() {{ {python} -m reka.cli "$@"; }}', f'python() {{ {python} "$@"; }}', *commands]
    )
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=220,
    )
    assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    return done.stdout


def _compiled(block: Block, path: Path, replacements: Mapping[str, str]) -> CodeType:
    code = "\n" * (block.line - 1) + block.code  # an error then names the line of the page
    for old, new in replacements.items():
        code = code.replace(old, new)
    compiled: CodeType = compile(code, str(path), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    return compiled
