"""What must be true of a distribution's files before anybody gets them."""

import re
import tarfile
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from email import message_from_bytes
from email.message import Message
from pathlib import Path, PurePosixPath
from typing import Final

from release.distributions import ROOT, Distribution
from release.links import relative_links

MAX_WHEEL_BYTES: Final = 1_000_000
_MODULE_FILES: Final = frozenset({".py", ".typed", ".css", ".html", ".js", ".svg"})
"""Kinds of files of a package; the last ones are the server's page."""
_OF_SDIST: Final = frozenset(
    {"CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml", ".gitignore", "tests"}
)
_PRIVATE: Final = re.compile(rb"/(?:home|root|Users)/\w+/|(?:sk|pypi|ghp)[-_][A-Za-z0-9]{20,}")
"""Paths of somebody's machine, and keys."""


def problems(folder: Path, distribution: Distribution, repository: str, version: str) -> list[str]:
    """What is wrong with a wheel and an sdist; empty if nothing is.

    Args:
        folder: Where both are.
        distribution: What they are of.
        repository: Address of the repository, which its links have; empty if none is set.
        version: The version that they must have.
    """
    stem = f"{distribution.file_name}-{version}"
    names = sorted(path.name for path in folder.iterdir())
    wanted = sorted([f"{stem}-py3-none-any.whl", f"{stem}.tar.gz"])
    if names != wanted:
        return [f"{distribution.name}: got {names}, want {wanted}"]
    wheel, sdist = folder / wanted[0], folder / wanted[1]
    files = read_wheel(wheel)
    found = [
        *_wheel_problems(files, distribution, stem),
        *_sdist_problems(read_sdist(sdist), distribution),
        *_metadata_problems(files[f"{stem}.dist-info/METADATA"], distribution, repository, version),
    ]
    if (size := wheel.stat().st_size) > MAX_WHEEL_BYTES:
        found.append(f"{wheel.name} has {size} bytes, want at most {MAX_WHEEL_BYTES}")
    return [f"{distribution.name}: {problem}" for problem in found]


def read_wheel(path: Path) -> dict[str, bytes]:
    """The files of a wheel."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def read_sdist(path: Path) -> dict[str, bytes]:
    """The files of an sdist, without the folder that holds them all."""
    with tarfile.open(path) as archive:
        members = [member for member in archive.getmembers() if not member.isdir()]
        files = {member.name: archive.extractfile(member) for member in members}
        return {name.partition("/")[2]: file.read() if file else b"" for name, file in files.items()}


def _wheel_problems(files: Mapping[str, bytes], distribution: Distribution, stem: str) -> Iterator[str]:
    info = f"{stem}.dist-info"
    for name in files:
        top = PurePosixPath(name).parts[0]
        if top == info:
            continue
        if top not in distribution.top or PurePosixPath(name).suffix not in _MODULE_FILES:
            yield f"the wheel has {name}, which it should not have"
    if files.get(f"{info}/licenses/LICENSE") != (ROOT / "LICENSE").read_bytes():
        yield "the wheel has not the licence of the repository"
    if f"{distribution.module}/py.typed" not in files:
        yield "the wheel has no py.typed"
    yield from _private(files)


def _sdist_problems(files: Mapping[str, bytes], distribution: Distribution) -> Iterator[str]:
    for name in files:
        top = PurePosixPath(name).parts[0]
        if top not in _OF_SDIST and top not in distribution.top:
            yield f"the sdist has {name}, which it should not have"
    if files.get("LICENSE") != (ROOT / "LICENSE").read_bytes():
        yield "the sdist has not the licence of the repository"
    yield from _private({name: content for name, content in files.items() if not name.startswith("tests/")})


def _private(files: Mapping[str, bytes]) -> Iterator[str]:
    for name, content in files.items():
        if found := _PRIVATE.search(content):
            yield f"{name} has {found[0]!r}, which is private"


def _metadata_problems(content: bytes, distribution: Distribution, repository: str, version: str) -> Iterator[str]:
    metadata = message_from_bytes(content)
    wanted = {
        "Name": distribution.name,
        "Version": version,
        "License-Expression": "Apache-2.0",
        "License-File": "LICENSE",
        "Requires-Python": ">=3.10",
        "Description-Content-Type": "text/markdown",
    }
    for name, value in wanted.items():
        if metadata[name] != value:
            yield f"{name} is {metadata[name]!r}, want {value!r}"
    yield from _address_problems(metadata, repository)
    unbounded = [need for need in metadata.get_all("Requires-Dist", []) if not re.search(r"[<>=~]=?\d", need)]
    yield from (f"{need} has no lowest version" for need in unbounded if not need.startswith("reka["))


def _address_problems(metadata: Message, repository: str) -> Iterator[str]:
    addresses = [entry.partition(", ")[2] for entry in metadata.get_all("Project-URL", [])]
    if repository and not addresses:
        yield "has no addresses, though the repository's is set"
    yield from _foreign(addresses, repository)
    links = relative_links(str(metadata.get_payload())) if repository else []
    yield from (f"the description's link to {link} leads nowhere on an index" for link in links)


def _foreign(addresses: Iterable[str], repository: str) -> Iterator[str]:
    for address in addresses:
        if not repository or not address.startswith(repository):
            yield f"has the address {address}, which is not from pyproject.toml ([tool.reka] repository)"
