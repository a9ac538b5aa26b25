"""What a file that is no plain text is, by its first bytes, and how its text can be had."""

from typing import Final, NamedTuple

HEAD_BYTES: Final = 8192
"""First bytes of a file that tell what it is."""


class FileKind(NamedTuple):
    """A kind of file that is no plain text."""

    name: str
    """Name with its article, such as `a PDF`."""

    advice: str
    """What to do with it, for the end of a sentence."""


_OFFICE_ADVICE: Final = "save it as plain text or CSV (UTF-8) in the program that wrote it, and upload that"
_PDF: Final = FileKind("a PDF", "extract its text, for example with pdftotext, and upload that")
OFFICE_ARCHIVE: Final = FileKind("an office document", _OFFICE_ADVICE)
_ARCHIVE: Final = FileKind("an archive", "unpack it, and upload the text files in it")

_SIGNATURES: Final = (
    (b"%PDF-", _PDF),
    (b"{\\rtf", FileKind("an office document (RTF)", _OFFICE_ADVICE)),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileKind("an office document of the older kind", _OFFICE_ADVICE)),
)
_READABLE: Final = _SIGNATURES[:2]
"""Kinds whose bytes may all be valid text, but are not what a person reads."""

_FAMILIES: Final = {
    "image/": FileKind("an image", "describe it in a text file, or show it to a model in a chat"),
    "video/": FileKind("a video", "write what is said in it into a text file, and upload that"),
    "audio/": FileKind("audio", "write what is said in it into a text file, and upload that"),
    "font/": FileKind("a font", "leave it out"),
}
_OFFICE_MIME_PARTS: Final = ("officedocument", "opendocument", "msword", "ms-excel", "ms-powerpoint", "epub")
_ARCHIVE_MIME_PARTS: Final = ("zip", "x-tar", "x-7z", "rar", "x-xz", "zstd", "x-lz", "x-compress")


def readable_kind(head: bytes) -> FileKind | None:
    """Return the kind of a file that may be valid UTF-8 and is no plain text all the same; None for other files."""
    return next((kind for signature, kind in _READABLE if head.startswith(signature)), None)


def binary_kind(head: bytes) -> FileKind | None:
    """Return the kind of a file that is not valid text, by its first HEAD_BYTES bytes; None if unknown."""
    for signature, kind in _SIGNATURES:
        if head.startswith(signature):
            return kind
    mime_type = _mime_type(head)
    if any(part in mime_type for part in _OFFICE_MIME_PARTS):
        return OFFICE_ARCHIVE
    if any(part in mime_type for part in _ARCHIVE_MIME_PARTS):
        return _ARCHIVE
    for family, kind in _FAMILIES.items():
        if mime_type.startswith(family):
            return kind._replace(name=f"{kind.name} ({mime_type.removeprefix(family)})")
    return None


def _mime_type(head: bytes) -> str:
    import filetype

    mime_type: str | None = filetype.guess_mime(head)
    return mime_type or ""
