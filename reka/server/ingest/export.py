"""The texts of a dataset as a zip."""

import re
import zipfile
from collections import Counter
from contextlib import closing
from pathlib import Path

from reka.server.ingest.reader import DocumentReader
from reka.server.storage.names import secure_source
from reka.server.storage.private_files import create_private

_MAX_PART_CHARS = 100
_MAX_PARTS = 8


def write_zip(path: Path, reader: DocumentReader) -> Path:
    """Write the texts of documents, each as a file named after its id, to a new zip at `path`, and return the path."""
    names: Counter[str] = Counter()
    try:
        with (
            create_private(path) as file,
            zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive,
            closing(reader.texts()) as texts,
        ):
            for document, parts in texts:
                name = _file_name(document.name)
                names[name] += 1
                with archive.open(_numbered(name, names[name]), "w", force_zip64=True) as entry:
                    for part in parts:
                        entry.write(part.encode())
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return path


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
