"""What a dataset is made of, kept on this machine for a host that cannot say.

A manifest is a folder of the user's: `state.json` says under which name the host has the present copy of the dataset,
and a file of JSON lines has the documents of that copy. Both are replaced as a whole, so that a reader never sees a
part of a change, and one process at a time changes them.
"""

import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final, TypedDict, cast

from reka import config, endpoint
from reka._protocol.checks import expanded
from reka.adapters.documents.names import file_names, stem_of, stem_of_copy
from reka.errors import InvalidArgumentError
from reka.errors.combined import file_error
from reka.types import Document

_NEW: Final = "new-"
"""What the names of unfinished files begin with."""

_MAX_READ: Final = 8
"""Copies whose documents are kept in memory."""


class Snapshot(TypedDict):
    """All that a manifest says, to be kept somewhere else."""

    name: str
    token: str
    documents: list[Document]


@dataclass(frozen=True, slots=True)
class State:
    """Which copies of a dataset the host has. A copy has the token in its name, however the host changes that."""

    name: str | None = None
    """Stored name of the present copy; None if the dataset has no documents, or was deleted."""

    token: str = ""
    pending: tuple[str, ...] = ()
    """Tokens of copies that were begun; all but the one of a change that is running are left behind by a crash."""

    retired: Mapping[str, float] = field(default_factory=dict)
    """Names of copies that were replaced, with the time of that (seconds since 1970)."""

    def overdue(self) -> list[str]:
        """Return the names of copies to delete: of those that were replaced, all but one that was a moment ago."""
        if not self.retired:
            return []
        *earlier, last = self.retired
        is_recent = 0 <= time.time() - self.retired[last] < config.RETIRED_SECONDS
        return earlier if is_recent else [*earlier, last]

    def without(self, name: str) -> "State":
        """Return the state after a copy that was replaced has been deleted."""
        return replace(self, retired={one: since for one, since in self.retired.items() if one != name})

    def switched(self, name: str | None, token: str) -> "State":
        """Return the state after another copy has taken the place of the present one."""
        retired = dict(self.retired) if self.name is None else {**self.retired, self.name: time.time()}
        pending = tuple(one for one in self.pending if one != token)
        return replace(self, name=name, token=token, pending=pending, retired=retired)


@dataclass(frozen=True, slots=True)
class Copy:
    """What the present copy of a dataset is made of. Callers share it: what leaves this package is copied."""

    name: str | None
    documents: Mapping[str, Document]
    """By their ids."""

    files: Mapping[str, Document]
    """By the names of the files that they were uploaded as."""


_EMPTY: Final = Copy(None, {}, {})


class Manifest:
    """The manifest of one dataset.

    Args:
        folder: Its folder, which need not exist.
        dataset: Name of the dataset.
    """

    def __init__(self, folder: Path, dataset: str) -> None:
        self.folder = folder
        self.dataset = dataset

    def state(self) -> State | None:
        """Read which copies there are; None if there is no manifest.

        Raises:
            InvalidArgumentError: It cannot be read.
        """
        try:
            fields = json.loads((self.folder / "state.json").read_bytes())
            return State(fields["name"], fields["token"], tuple(fields["pending"]), dict(fields["retired"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError) as error:
            raise _unreadable(self.folder, error) from error

    def copy(self) -> Copy:
        """Read the present copy.

        Raises:
            InvalidArgumentError: It cannot be read.
        """
        while (state := self.state()) is not None:
            if state.name is None:
                return _EMPTY
            try:
                return _read(self._documents_path(state.token), state.name)
            except FileNotFoundError:
                if self.state() == state:
                    raise InvalidArgumentError(
                        f"the manifest {str(self.folder)!r} has lost the documents of {self.dataset!r}; delete the "
                        "folder, and store the documents again"
                    ) from None
                continue  # it has been replaced since
        return _EMPTY

    def write_state(self, state: State) -> None:
        """Replace what is said of the copies."""
        self._write(self.folder / "state.json", [json.dumps({"dataset": self.dataset, **asdict(state)}, indent=1)])

    def write_documents(self, token: str, files: Mapping[str, Document]) -> None:
        """Write the documents of a copy, by the names of their files."""
        lines = (json.dumps([name, document], ensure_ascii=False) + "\n" for name, document in files.items())
        self._write(self._documents_path(token), lines)

    def remove_other_documents(self, token: str) -> None:
        """Remove the documents of all copies but one, and files that a crash has left unfinished."""
        for path in (*self.folder.glob("documents-*"), *self.folder.glob(f"{_NEW}*")):
            if path != self._documents_path(token):
                with suppress(OSError):
                    path.unlink()

    def snapshot(self) -> Snapshot | None:
        """Return all that is known of the present copy; None if there is none."""
        state, copy = self.state(), self.copy()
        if state is None or state.name is None or copy.name != state.name:
            return None
        return {"name": state.name, "token": state.token, "documents": list(copy.documents.values())}

    def restore(self, snapshot: Snapshot) -> None:
        """Write what a snapshot says, which was taken on another machine or for another folder."""
        self.write_documents(snapshot["token"], file_names(snapshot["documents"]))
        self.write_state(State(snapshot["name"], snapshot["token"]))

    def _documents_path(self, token: str) -> Path:
        return self.folder / f"documents-{token}.jsonl"

    def _write(self, path: Path, parts: Iterable[str]) -> None:
        """Write a file that is there as a whole or not at all, and that nobody else may read."""
        try:
            with NamedTemporaryFile(
                "w", encoding="utf-8", dir=made_folder(self.folder), prefix=_NEW, delete=False
            ) as file:
                try:
                    file.writelines(parts)
                    file.flush()
                    os.fsync(file.fileno())
                    file.close()
                    Path(file.name).replace(path)
                except BaseException:
                    file.close()
                    Path(file.name).unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise file_error(
                f"the manifest {str(self.folder)!r} cannot be written ({error.strerror})", error
            ) from error


def find_manifest(identity: str, dataset: str) -> Manifest:
    """Find the manifest of a dataset, which need not exist.

    Args:
        identity: What datasets belong to; see `ClientSettings.owner`.
        dataset: Name of the dataset, or stored name of a copy of it, even if that is deleted.
    """
    stem = stem_of_copy(dataset)
    if stem is not None and (found := _manifest(identity, stem, stem)).state() is not None:
        return found
    return _manifest(identity, stem_of(dataset), dataset)


def manifests_folder() -> Path:
    """Return the folder of all manifests: REKA_MANIFESTS, else `reka/manifests` in the user's data folder."""
    if folder := endpoint.environment("REKA_MANIFESTS"):
        return expanded(folder, "REKA_MANIFESTS")
    from platformdirs import user_data_path

    return user_data_path("reka") / "manifests"


def made_folder(folder: Path) -> Path:
    """Make a folder that nobody else may read.

    Raises:
        InvalidArgumentError: It cannot be made.
    """
    try:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise file_error(f"the manifest {str(folder)!r} cannot be made ({error.strerror})", error) from error
    return folder


def _manifest(identity: str, stem: str, dataset: str) -> Manifest:
    digest = sha256(f"{identity}\0{stem}".encode()).hexdigest()[:16]
    return Manifest(manifests_folder() / f"{stem}-{digest}", dataset)


@lru_cache(_MAX_READ)
def _read(path: Path, name: str) -> Copy:
    """Read what the copy of a name is made of, which never changes."""
    files = dict(_lines(path))
    return Copy(name, {document["id"]: document for document in files.values()}, files)


def _lines(path: Path) -> Iterator[tuple[str, Document]]:
    try:
        with path.open(encoding="utf-8") as lines:
            for line in lines:
                name, document = json.loads(line)
                yield name, cast("Document", document)
    except FileNotFoundError:
        raise
    except (OSError, ValueError, TypeError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> InvalidArgumentError:
    message = f"the manifest {str(path)!r} cannot be read ({error}); if it is lost, delete its folder"
    return file_error(message, error) if isinstance(error, OSError) else InvalidArgumentError(message)
