"""The text of the demo: the Python language reference, which comes with Python itself."""

import zipfile
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Collection:
    """A zip of text files.

    Attributes:
        path: The zip.
        texts: How many files it holds.
        text_bytes: How many bytes of text that is, unpacked.
        zip_bytes: How many bytes the zip has.
    """

    path: Path
    texts: int
    text_bytes: int
    zip_bytes: int


def write_language_reference(path: Path) -> Collection:
    """Write the topics of Python's `help()` as a zip with one text file a topic, named after it."""
    from pydoc_data.topics import topics  # type: ignore[import-untyped,unused-ignore]  # half a megabyte of text

    written = 0
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for topic, text in sorted(topics.items()):
            content = text.encode()
            archive.writestr(f"{topic}.txt", content)
            written += len(content)
    return Collection(path, len(topics), written, path.stat().st_size)
