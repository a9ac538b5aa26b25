"""Texts of the demo: the Python language reference, which ships with Python."""

import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Collection:
    """A zip of text files.

    Attributes:
        path: The zip.
        texts: Number of files in it.
        text_bytes: Size of the texts, unpacked.
        zip_bytes: Size of the zip.
    """

    path: Path
    texts: int
    text_bytes: int
    zip_bytes: int


def write_language_reference(path: Path) -> Collection:
    """Write the topics of Python's `help()` to a zip, one text file per topic."""
    from pydoc_data.topics import topics  # type: ignore[import-untyped,unused-ignore]  # half a megabyte of text

    written = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for topic, text in sorted(topics.items()):
            content = text.encode()
            archive.writestr(f"{topic}.txt", content)
            written += len(content)
    return Collection(path, len(topics), written, path.stat().st_size)
