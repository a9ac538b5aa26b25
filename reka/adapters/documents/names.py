"""Names that every server leaves as they are: of datasets, and of the files that documents are uploaded as."""

import hashlib
import re
import unicodedata
from collections.abc import Iterable
from secrets import token_hex
from typing import Final

from reka._protocol.files.litter import is_litter
from reka.types import Document

MAX_LABEL: Final = 100
"""Maximum length of a stored name; servers shorten longer ones."""

_MAX_STEM: Final = 48
"""Maximum length of what is before the token in the name of a copy: with it, 63, what the strictest of common stores
accept."""

_TOKEN_BYTES: Final = 7
_COPY: Final = re.compile(r"(.+)-[0-9a-f]{14}", re.DOTALL)
"""No other name that is made here ends in so many digits."""

_SAFE_PUNCTUATION: Final = frozenset(" -_.,+@=()[]~!#&'")
"""Characters that are not encoded in file names, besides letters and digits of any script."""

_MAX_FILE_NAME_BYTES: Final = 200
"""Maximum length of a file name; file systems, to which zip archives are extracted, allow 255 bytes."""


def stored_name(label: str, longest: int = MAX_LABEL) -> str:
    """Return the name that a dataset of this label is stored under: a name that a server leaves as it is.

    A label that is no such name gets a hash of its own, so that no two labels become one name.
    """
    composed = unicodedata.normalize("NFC", label)
    safe = "".join(char if char in "-.+@" or unicodedata.category(char)[0] in "LMN" else "_" for char in composed)
    safe = re.sub(r"[_.]{2,}|_\.|\._", "_", safe).strip("-_.@")
    if safe == label and len(safe) <= longest:
        return label
    digest = hashlib.sha256(label.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    return f"{safe[: longest - 13].strip('-_.@') or 'dataset'}-{digest}"


def stem_of(dataset: str) -> str:
    """Return what the names of all copies of a dataset begin with."""
    return stored_name(dataset, _MAX_STEM)


def new_copy(dataset: str) -> tuple[str, str]:
    """Make the name of a new copy of a dataset, and the token at its end."""
    token = token_hex(_TOKEN_BYTES)
    return f"{stem_of(dataset)}-{token}", token


def stem_of_copy(name: str) -> str | None:
    """Return the stem of a name that may be one of a copy; None if it is none."""
    found = _COPY.fullmatch(name)
    return None if found is None else found[1]


def file_names(documents: Iterable[Document]) -> dict[str, Document]:
    """Name a file for each document: by its source, as a model is shown it, or by its id where sources are equal."""
    named: dict[str, Document] = {}
    folders: set[str] = set()

    def is_free(name: str) -> bool:
        return name not in named and name not in folders and named.keys().isdisjoint(_folders(name))

    for document in documents:
        names = [_safe_file_name(document.get("source") or document["id"]), _safe_file_name(document["id"])]
        name = next(filter(is_free, names), _with_digest(names[1].replace("/", "%2F"), document["id"]))
        named[name] = document
        folders.update(_folders(name))
    return named


def _folders(path: str) -> list[str]:
    return [path[: match.start()] for match in re.finditer("/", path)]


def _safe_file_name(text: str) -> str:
    """Encode a text as a relative path that every server accepts."""
    is_path = all(part not in {"", ".", ".."} for part in text.split("/")) and not is_litter(text)
    safe = _SAFE_PUNCTUATION | {"/"} if is_path else _SAFE_PUNCTUATION - {"."}
    name = "".join(char if char.isalnum() or char in safe else _percent_encode(char) for char in text)
    name = "/".join(f"%2E{part[1:]}" if part.startswith(".") else part for part in name.split("/"))
    return name if len(name.encode()) <= _MAX_FILE_NAME_BYTES else _with_digest(name, text)


def _with_digest(name: str, text: str) -> str:
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]
    return f"{name.encode()[: _MAX_FILE_NAME_BYTES - 33].decode(errors='ignore')}~{digest}"


def _percent_encode(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
