"""Which part imports which: found in the files, so that no import is run."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
ADAPTERS: Final = ("integrations/langchain_reka/langchain_reka", "integrations/llamaindex_reka/llamaindex_reka")
PUBLIC: Final = ("reka.adapters", "reka.errors", "reka.media", "reka.types")
BOTH_HALVES: Final = ("reka._protocol", "reka.errors", "reka.types")


def _imports(path: Path, *, at_start_only: bool = False) -> Iterator[str]:
    tree = ast.parse(path.read_text())
    for node in tree.body if at_start_only else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module == "reka":
            yield from (f"reka.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""


def _is_of(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


@pytest.mark.parametrize(
    ("folder", "allowed"),
    [
        ("reka/_protocol", BOTH_HALVES),
        ("reka/server", ("reka.server", *BOTH_HALVES, "reka._version")),
        *((adapter, PUBLIC) for adapter in ADAPTERS),
    ],
)
def test_a_part_imports_what_it_may_of_reka(folder: str, allowed: tuple[str, ...]) -> None:
    files = list((ROOT / folder).rglob("*.py"))
    found = {(file.name, module) for file in files for module in _imports(file) if module.startswith("reka.")}

    assert len(files) > 5
    assert {(name, module) for name, module in found if not _is_of(module, allowed)} == set()


def test_what_both_halves_read_loads_no_library() -> None:
    files = (ROOT / "reka/_protocol").glob("*.py")
    modules = {module.split(".")[0] for file in files for module in _imports(file, at_start_only=True)}

    assert "reka" in modules
    assert modules & {"aiohttp", "filetype", "pydantic", "requests", "urllib3", "yarl"} == set()


def test_the_client_imports_the_server_at_one_place() -> None:
    own = [file for file in (ROOT / "reka").rglob("*.py") if not {"server", "cli"} & set(file.parts)]
    importing = {file.name for file in own for module in _imports(file) if _is_of(module, ("reka.server",))}

    assert importing == {"endpoint.py"}
