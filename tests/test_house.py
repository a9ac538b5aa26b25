"""Limits of the whole code base: length of modules and functions, size of packages, versions."""

import ast
from collections.abc import Iterator
from importlib.metadata import requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

import reka
from tests.support.peers import ROOT

PACKAGES = ("reka", "integrations/langchain_reka/langchain_reka", "integrations/llamaindex_reka/llamaindex_reka")
MODULES = [path for package in PACKAGES for path in (ROOT / package).rglob("*.py")]
ADAPTERS = ("langchain-reka", "llamaindex-reka")


def test_no_module_has_more_than_400_lines() -> None:
    lengths = {_name(path): len(path.read_text().splitlines()) for path in MODULES}

    assert {name: lines for name, lines in lengths.items() if lines > 400} == {}


def test_no_package_has_more_than_15_modules() -> None:
    folders = [path.parent for path in MODULES if path.name != "__init__.py"]

    assert {_name(folder) for folder in folders if folders.count(folder) > 15} == set()


def test_no_function_has_more_than_50_lines_besides_its_docstring() -> None:
    lengths = {
        f"{_name(path)}:{function.lineno} {function.name}": _lines(function) - _docstring_lines(function)
        for path in MODULES
        for function in _functions(path)
    }

    assert {place: lines for place, lines in lengths.items() if lines > 50} == {}


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_an_adapter_has_the_clients_version_and_takes_no_other_minor_version(adapter: str) -> None:
    major, minor, _ = reka.__version__.split(".")
    (client,) = [need for need in map(Requirement, requires(adapter) or ()) if need.name == "reka"]

    assert version(adapter) == version("reka") == reka.__version__
    assert client.specifier.contains(reka.__version__)
    assert not client.specifier.contains(f"{major}.{int(minor) + 1}.0")


@pytest.mark.parametrize("distribution", ["reka", *ADAPTERS])
def test_the_lowest_versions_that_are_declared_are_those_that_are_tested(distribution: str) -> None:
    files = [
        (ROOT / name).read_text().splitlines() for name in ("constraints-lowest.txt", "requirements-ray-lowest.txt")
    ]
    pins = [Requirement(line) for lines in files for line in lines if "==" in line]
    lowest = {pin.name: SpecifierSet(str(pin.specifier).replace("==", ">=")) for pin in pins}

    declared = {need.name: need.specifier for need in map(Requirement, requires(distribution) or ())}
    declared.pop("reka", None)

    assert declared == {name: lowest.get(name) for name in declared}


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def _docstring_lines(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return 0 if ast.get_docstring(function) is None else _lines(function.body[0])


def _lines(node: ast.stmt) -> int:
    assert node.end_lineno is not None
    return node.end_lineno - node.lineno + 1
