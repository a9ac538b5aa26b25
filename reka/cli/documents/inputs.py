"""Documents out of files, folders and lines of JSON, and JSON out of options."""

import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NoReturn

from rich.text import Text

from reka._protocol.checks import describe, expanded
from reka._protocol.files.litter import is_litter
from reka._protocol.files.plain_text import TextCheck
from reka.cli import show
from reka.cli.errors import UsageError
from reka.errors import InvalidArgumentError

_LINES: Final = (".jsonl", ".ndjson")
_STANDARD_INPUT: Final = "-"

_REFUSED: Final = re.compile(r"documents\[\d+\](?:\[('\w+')\])?: (.*)", re.DOTALL)
"""What the client says of a document that it refuses."""

_MAX_PROBLEMS: Final = 20
"""Files that an error names."""


class Documents(Iterator[dict[str, Any]]):
    """Documents, read one at a time; errors of the client name the file and the line of one."""

    def __init__(self, documents: Iterator[tuple[str, dict[str, Any]]], metadata: Mapping[str, Any]) -> None:
        """Read from documents with the places where they are.

        Args:
            documents: Each place, and the document there.
            metadata: Added to the metadata of each document, and overridden by its own.
        """
        self._documents = documents
        self._metadata = metadata
        self._place = ""
        self._has_own_metadata = False

    def __next__(self) -> dict[str, Any]:
        self._place, document = next(self._documents)
        own = document.get("metadata") or {}
        self._has_own_metadata = bool(own)
        if not self._metadata or not isinstance(own, dict):  # what is no object is left for the client to refuse
            return document
        return {**document, "metadata": {**self._metadata, **own}}

    @contextmanager
    def named(self) -> Iterator[None]:
        """Name the place of a document that the client refuses.

        Raises:
            UsageError: It refuses the one that was read last.
        """
        try:
            yield
        except InvalidArgumentError as error:
            found = _REFUSED.match(error.message)
            if found is None:
                raise
            field, problem = found.groups()
            place = self._place if field is None else f"{self._place}, {field}"
            is_of_option = field == "'metadata'" and self._metadata and not self._has_own_metadata
            raise UsageError(f"{'--metadata' if is_of_option else place}: {problem}") from error


def documents_of(paths: Sequence[str], metadata: Mapping[str, Any]) -> Documents:
    """Check files and folders, and read documents from them one at a time.

    Args:
        paths: Files, each of which is one document with its name as id; folders, whose files are documents with their
            path in the folder as id; files of JSON lines, each a document; `-` is JSON lines on standard input.
        metadata: Added to the metadata of each document, and overridden by its own.

    Raises:
        UsageError: A file is missing or no text, two would have the same id, or a line is no JSON object.
    """
    files: dict[str, Path] = {}
    for path in paths:
        if not _has_lines(path):
            for name, file in _files_of(expanded(path, "PATH")).items():
                if name in files:
                    raise UsageError(f"two files are named {name!r}, which is their id; give the folder above them")
                files[name] = file
        elif path != _STANDARD_INPUT and not expanded(path, "PATH").is_file():
            raise UsageError(f"{path!r} is no file")
    problems = [f"{name!r} {problem}" for name, file in files.items() if (problem := _problem(file))]
    if problems:
        raise UsageError(
            f"{len(problems)} of {len(files)} files cannot be documents: {'; '.join(problems[:_MAX_PROBLEMS])}"
        )
    return Documents(_documents(paths, files), metadata)


def json_object(text: str | None, place: str) -> dict[str, Any] | None:
    """Parse a JSON object, if there is one.

    Args:
        text: The JSON.
        place: The option, or the line, for the error.

    Raises:
        UsageError: It is none.
    """
    if text is None:
        return None
    try:
        value = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{place}: got {describe(text)}, want a JSON object ({error})") from error
    if not isinstance(value, dict):
        raise UsageError(f"{place}: got {describe(text)}, want a JSON object")
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON")


def _files_of(path: Path) -> dict[str, Path]:
    """Return the files of a path by their ids; of a folder, hidden files, links and litter are left out."""
    if path.is_file():
        return {path.name: path}
    if not path.is_dir():
        raise UsageError(f"{str(path)!r} does not exist")
    files: dict[str, Path] = {}
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path)
        is_hidden = any(part.startswith(".") for part in inside.parts)
        if file.is_file() and not file.is_symlink() and not is_hidden and not is_litter(inside.as_posix()):
            files[inside.as_posix()] = file
    if not files:
        raise UsageError(f"{str(path)!r} has no files in it")
    return files


def _problem(file: Path) -> str | None:
    check = TextCheck()
    try:
        return check.feed(file.read_bytes()) or check.finish()
    except OSError as error:
        return f"cannot be read ({error.strerror})"


def _documents(paths: Sequence[str], files: Mapping[str, Path]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Read documents, each with its place: a file, or a line of one."""
    for name, file in files.items():
        text = file.read_text(encoding="utf-8-sig")
        if text.strip():
            yield name, {"id": name, "text": text}
        else:
            show.notes().print(Text(f"left out: {show.one_line(name)} has no text", style="dim"), soft_wrap=True)
    for path in filter(_has_lines, paths):
        name = "standard input" if path == _STANDARD_INPUT else path
        for number, line in enumerate(_lines(path, name), start=1):
            place = f"{name}, line {number}"
            if (document := json_object(line.strip() or None, place)) is not None:
                yield place, document


def _lines(path: str, name: str) -> Iterator[str]:
    try:
        if path == _STANDARD_INPUT:
            yield from sys.stdin
            return
        with expanded(path, "PATH").open(encoding="utf-8-sig") as lines:
            yield from lines
    except UnicodeDecodeError as error:
        raise UsageError(f"{name} is not UTF-8 text: {error}") from error


def _has_lines(path: str) -> bool:
    return path == _STANDARD_INPUT or path.lower().endswith(_LINES)
