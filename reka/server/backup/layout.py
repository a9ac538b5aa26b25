"""The layout of a backup: `rows/TABLE.jsonl`, `files/ID` and, written last, `backup.json` with all their checksums."""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from reka._version import __version__
from reka.server.storage.database import now
from reka.server.store.files import flush
from reka.server.store.private_files import write_private

MANIFEST: Final = "backup.json"
"""File that a complete backup has, and an incomplete one has not."""

_FORMAT: Final = "reka backup"
_VERSION: Final = 1
_BLOCK: Final = 1024 * 1024
_NAME: Final = re.compile(r"rows/[a-z_]+\.jsonl|files/[0-9a-f]{32}")


class BackupError(Exception):
    """A backup cannot be taken, or cannot be restored."""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of a backup."""

    size: int
    """Bytes."""
    sha256: str


@dataclass(frozen=True, slots=True)
class Summary:
    """What a backup has."""

    datasets: int
    documents: int
    files: int
    """Uploaded files."""
    bytes: int
    """Size of the whole backup."""


def part_of(path: Path) -> Part:
    """Measure a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
    return Part(size, digest.hexdigest())


def complete(folder: Path, parts: Mapping[str, Part], summary: Summary) -> None:
    """Write the manifest of a backup whose files are all written, and flush all of it to the disk."""
    for name in parts:
        flush(folder / name)
    for inner in ("rows", "files"):
        flush(folder / inner)
    manifest = {
        "format": _FORMAT,
        "version": _VERSION,
        "release": __version__,
        "created": now(),
        "summary": asdict(summary),
        "parts": {name: asdict(part) for name, part in parts.items()},
    }
    write_private(folder / MANIFEST, json.dumps(manifest, indent=1) + "\n")
    flush(folder / MANIFEST)
    flush(folder)


def read(folder: Path) -> tuple[dict[str, Part], Summary]:
    """Read the manifest of a backup, and compare all its files with it.

    Raises:
        BackupError: The backup is incomplete, damaged or of a newer version.
    """
    no_manifest = BackupError(f"{folder / MANIFEST} is not the manifest of a backup")
    try:
        manifest: dict[str, Any] = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        if manifest["format"] != _FORMAT:
            raise no_manifest
        version = int(manifest["version"])
    except OSError as error:
        raise BackupError(f"{folder} is no complete backup: it has no {MANIFEST} that can be read") from error
    except (ValueError, LookupError, TypeError) as error:
        raise no_manifest from error
    if version != _VERSION:
        raise BackupError(
            f"the backup is of version {version}, and this release of reka reads version {_VERSION}: install the "
            f"release that took it ({manifest.get('release')})"
        )
    try:
        parts = {name: Part(**part) for name, part in manifest["parts"].items()}
        summary = Summary(**manifest["summary"])
    except (LookupError, TypeError, AttributeError) as error:
        raise no_manifest from error
    for name, part in parts.items():
        if not _NAME.fullmatch(name):
            raise BackupError(f"{folder / MANIFEST} names a file that no backup has: {name[:100]!r}")
        if not (folder / name).is_file() or part_of(folder / name) != part:
            raise BackupError(f"the backup is damaged: {folder / name} is missing, or is not as it was written")
    return parts, summary


def make_folder(folder: Path) -> None:
    """Create the folder of a new backup, for this user only.

    Raises:
        BackupError: It exists and is not empty, or cannot be created.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise BackupError(f"{folder} is not empty: give a folder that is, or does not exist yet")
        folder.chmod(0o700)
        for name in ("rows", "files"):
            (folder / name).mkdir(mode=0o700)
    except OSError as error:
        raise BackupError(f"cannot write to {folder} ({os.strerror(error.errno or 0)}): give another folder") from error
