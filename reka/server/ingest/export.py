"""The texts of a dataset as a zip."""

import re
import zipfile
from collections import Counter
from contextlib import closing
from typing import IO, Final

from reka.server.ingest.reader import DocumentReader
from reka.server.storage.names import secure_source

_MAX_PART_CHARS: Final = 100
_MAX_PARTS: Final = 8
"""Characters of a part of a path, and parts of a path (ours)."""


def write_zip(file: IO[bytes], reader: DocumentReader) -> None:
    """Write the texts of documents to a zip, each as a file named after its document's id.

    Raises:
        FileNotFoundError: The uploaded file is not there any more.
    """
    names: Counter[str] = Counter()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive, closing(reader.texts()) as texts:
        for document, parts in texts:
            name = _file_name(document.name)
            names[name] += 1
            with archive.open(_numbered(name, names[name]), "w", force_zip64=True) as entry:
                for part in parts:
                    entry.write(part.encode())


def _file_name(document_id: str) -> str:
    """Return a relative path with no part that leads anywhere else."""
    parts = [secure_source(part, _MAX_PART_CHARS) for part in re.split(r"[/\\]+", document_id) if part.strip("./\\ ")]
    return "/".join(parts[-_MAX_PARTS:]) or "document"


def _numbered(name: str, number: int) -> str:
    """Make a name distinct from those of the same form before it: `notes.txt` becomes `notes-2.txt`."""
    if number == 1:
        return name
    stem, dot, suffix = name.rpartition(".")
    return f"{stem}-{number}.{suffix}" if dot and "/" not in suffix and stem else f"{name}-{number}"
