"""The code of README and of the documentation's pages runs as it stands; what does not says why."""

import asyncio
import gc
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import pytest

import reka
from reka import errors
from reka.cli.errors import exit_code
from tests.support.documentation import Block, blocks, is_of_tests, programs, run_commands, run_program, run_tests
from tests.support.peers import ROOT

PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
ADAPTERS = sorted(ROOT.glob("integrations/*/README.md"))  # whose tests run their Python
PROGRAMS, TESTS = (
    [
        pytest.param(page, program, id=f"{page.relative_to(ROOT)}:{program[0].line}")
        for page in PAGES
        for program in programs(page.read_text())
        if is_of_tests(program) is of_tests
    ]
    for of_tests in (False, True)
)

COMMANDS = [
    pytest.param(page, program, id=str(page.relative_to(ROOT)))
    for page in [*PAGES, *ADAPTERS]
    if (program := [block for block in blocks(page.read_text(), "sh") if block.reason is None])
]
THE_QUESTION, ITS_ANSWER = "When was the lighthouse built?", "The lighthouse on Gull Rock was built in 1874."

# LlamaIndex uses what pydantic has deprecated; a program of a few lines leaves its clients to the end of the process.
pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.warnings.PydanticDeprecationWarning"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture
def repository(
    local_folder: Path, rules_serve: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """A folder with the examples' data, and a server with a model behind it for programs that name none.

    Yields:
        What stands for `local` here: the user's own data folder is left alone.
    """
    url, key = rules_serve
    monkeypatch.setenv("REKA_BASE_URL", url)
    monkeypatch.setenv("REKA_API_KEY", key)
    monkeypatch.setattr(reka, "BASE_URL", None)  # programs set it, and this sets it back
    shutil.copytree(ROOT / "examples" / "data", tmp_path / "examples" / "data")
    monkeypatch.chdir(tmp_path)
    yield {'"local"': repr(f"local:{local_folder}")}
    for place in (url, f"local:{local_folder}"):
        with reka.Reka(base_url=place) as client:
            for name in client.list_datasets():
                client.delete_dataset(name)
    asyncio.set_event_loop(None)  # LlamaIndex leaves one; it is collected here, where its warning is no error
    gc.collect()


@pytest.mark.parametrize(("page", "program"), PROGRAMS)
def test_a_program_of_the_documentation_runs(repository: dict[str, str], page: Path, program: list[Block]) -> None:
    run_program(program, page, repository)


@pytest.mark.parametrize(("page", "program"), TESTS)
def test_tests_that_the_documentation_shows_pass(page: Path, program: list[Block], tmp_path: Path) -> None:
    run_tests(program, page, tmp_path)


def test_the_job_is_done_in_three_ways_at_the_beginning_of_readme(
    repository: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "README.md"

    for program in list(programs(page.read_text()))[:3]:
        run_program(program, page, repository)
        assert ITS_ANSWER in capsys.readouterr().out


@pytest.mark.parametrize(("page", "program"), COMMANDS)
def test_the_commands_of_the_documentation_run(
    repository: dict[str, str], page: Path, program: list[Block], tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text("import reka\n\nprint(reka.get_models())\n")  # the reader's program
    # One server answers all commands, which would start one each.
    program = [replace(block, code=block.code.replace("export REKA_BASE_URL=local", "")) for block in program]

    written = run_commands(program, tmp_path, os.environ)

    assert (ITS_ANSWER in written) is any(THE_QUESTION in block.code for block in program)


def test_a_block_that_is_not_run_says_why() -> None:
    reasons = [
        block.reason
        for page in [*PAGES, *ADAPTERS]
        for language in ("python", "sh")
        for block in blocks(page.read_text(), language)
    ]

    assert all(reason is None or len(reason.split()) > 1 for reason in reasons)


def test_what_the_documentation_shows_as_json_is_json() -> None:
    shown = [block for page in PAGES for block in blocks(page.read_text(), "json")]

    assert len([json.loads(block.code) for block in shown]) > 1


def test_code_is_no_wider_than_the_site_shows() -> None:
    on_the_site = [page for page in [*PAGES, *ADAPTERS] if page.parent != ROOT]
    wide = [
        f"{page.relative_to(ROOT)}:{block.line + number}"
        for page in on_the_site
        for language in ("python", "sh", "json", "text", "")
        for block in blocks(page.read_text(), language)
        for number, line in enumerate(block.code.splitlines())
        if len(line) > 97
    ]

    assert wide == []


def test_the_error_index_has_every_error_and_its_exit_code() -> None:
    rows = [
        line.split(" | ")[0] for line in (ROOT / "docs" / "errors.md").read_text().splitlines() if line[:3] == "| `"
    ]
    codes = {name: int(row[-2]) for row in rows if row[-1] == ")" for name in re.findall(r"`(\w+)`", row)}

    assert codes == {name: exit_code(_error(name)) for name in errors.__all__ if name not in _BASES}


_BASES = ("APIStatusError", "RekaError")


def _error(name: str) -> Exception:
    kind: type[Exception] = getattr(errors, name)
    return kind.__new__(kind)


@pytest.mark.parametrize("adapter", ["langchain_reka", "llamaindex_reka"])
def test_the_reference_of_an_adapter_has_every_public_name(adapter: str) -> None:
    page = (ROOT / "docs" / "reference" / f"{adapter.removesuffix('_reka')}.md").read_text()
    public = import_module(adapter)

    objects = [getattr(public, name) for name in public.__all__]
    assert re.findall(r"^::: (.*)$", page, re.M) == [f"{item.__module__}.{item.__qualname__}" for item in objects]


def test_an_import_begins_a_program_and_other_blocks_go_on_with_it() -> None:
    page = (
        "```python\nimport a\n```\n\n```python\na.b()\n```\n"
        "<!-- no-run: a reason -->\n\n```python\nnever()\n```\n- item\n\n    ```python\n    from c import d\n    ```\n"
    )

    assert [[block.code for block in program] for program in programs(page)] == [
        ["import a", "a.b()"],
        ["from c import d"],
    ]


def test_a_tool_that_reads_modules_finds_every_function_with_its_signature() -> None:
    # In a process of its own: the tool puts what it finds into the module.
    code = (
        "import inspect, pdoc.doc, reka\n"
        "members = pdoc.doc.Module(reka).members\n"
        "from reka import module_api\n"
        "for name, function in vars(module_api).items():\n"
        "    if name in reka.__all__ and inspect.isfunction(function):\n"
        "        print(list(members[name].signature.parameters) == list(inspect.signature(function).parameters))\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)

    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["True"] * len(done.stdout.split())
    assert len(done.stdout.split()) > 20
