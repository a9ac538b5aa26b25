"""Media in messages: kinds, URLs, MIME types and message parts."""

import base64
import mimetypes
from collections.abc import Mapping
from typing import Final, NamedTuple


class MediaKind(NamedTuple):
    """One kind of media part."""

    label: str
    """Name for messages."""

    family: str
    """Prefix of its MIME types."""


MEDIA_KINDS: Final[Mapping[str, MediaKind]] = {
    "image_url": MediaKind("image", "image/"),
    "video_url": MediaKind("video", "video/"),
    "audio_url": MediaKind("audio", "audio/"),
    "pdf_url": MediaKind("PDF", "application/pdf"),
}
"""Kinds of media by the type of their message part."""

MEDIA_FAMILIES: Final = tuple(kind.family for kind in MEDIA_KINDS.values())
"""Prefixes of the MIME types of all media."""

PART_LABELS: Final[Mapping[str, str]] = {
    **{part: kind.label for part, kind in MEDIA_KINDS.items()},
    "input_audio": "audio",
    "file": "file",
}
"""Names of all parts other than text, including those that only OpenAI's API has."""

URL_SCHEMES: Final = ("http://", "https://", "data:")
"""Schemes of media URLs, case-insensitive."""

# Headers of data URLs without a MIME type; reka-api sends local files with the first.
_UNTYPED: Final = ("data:application/octet-stream;base64,", "data:;base64,")
# Base64 characters that are enough to detect a file type; a multiple of four.
_HEAD: Final = 12 * 1024


def is_media_url(url: str) -> bool:
    """Whether a string is a URL that can refer to media; a local path is not."""
    return url[:8].lower().startswith(URL_SCHEMES)


def part_type(mime_type: str) -> str | None:
    """Type of the message part for a MIME type; None if there is no such kind of media."""
    return next((part for part, kind in MEDIA_KINDS.items() if mime_type.startswith(kind.family)), None)


def part_of_url(url: str) -> tuple[str, str]:
    """Part type of a media URL, and the URL with its detected MIME type.

    The kind follows from the MIME type of a data URL, from its first bytes if it names none, or from the extension of a
    path; else it is an image.
    """
    url = _with_mime_type(url)
    start = url[:100].lower()
    mime_type = start[5:] if start.startswith("data:") else mimetypes.guess_type(url.partition("?")[0])[0] or ""
    return part_type(mime_type) or "image_url", url


def mime_type_of(content: bytes, name: str = "") -> str | None:
    """Detect the MIME type by the content's first bytes, else by the extension of `name`; None if unknown."""
    import filetype

    by_content: str | None = filetype.guess_mime(content[:8192])
    return by_content or mimetypes.guess_type(name)[0]


def labels_in(content: object) -> list[str]:
    """Names of the media in a message's content, in order."""
    parts = content if isinstance(content, list) else ()
    return [PART_LABELS[part["type"]] for part in parts if part.get("type") in PART_LABELS]


def _with_mime_type(url: str) -> str:
    start = url[:40].lower()
    header = next((untyped for untyped in _UNTYPED if start.startswith(untyped)), None)
    if header is None:
        return url
    data = url[len(header) :]
    try:
        mime_type = mime_type_of(base64.b64decode(data[:_HEAD], validate=True))
    except ValueError:
        return url
    return f"data:{mime_type};base64,{data}" if mime_type else url
