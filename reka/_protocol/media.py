"""Media in messages: the kinds there are, the URLs that carry them, and the part that a URL becomes."""

import base64
import mimetypes
from collections.abc import Mapping
from typing import Final, NamedTuple


class MediaKind(NamedTuple):
    """One kind of media part."""

    label: str
    """What to call it."""

    family: str
    """How its MIME types begin."""


MEDIA_KINDS: Final[Mapping[str, MediaKind]] = {
    "image_url": MediaKind("image", "image/"),
    "video_url": MediaKind("video", "video/"),
    "audio_url": MediaKind("audio", "audio/"),
    "pdf_url": MediaKind("PDF", "application/pdf"),
}
"""By the type of the part that holds the URL."""

MEDIA_FAMILIES: Final = tuple(kind.family for kind in MEDIA_KINDS.values())
"""How the MIME types of all media begin."""

PART_LABELS: Final[Mapping[str, str]] = {
    **{part: kind.label for part, kind in MEDIA_KINDS.items()},
    "input_audio": "audio",
    "file": "file",
}
"""What to call every part that is no text, those of OpenAI's API alone among them."""

URL_SCHEMES: Final = ("http://", "https://", "data:")
"""How the URL of media begins, in letters of either case."""

# What reka-api sends a local file as, and what a data URL without a type begins with.
_UNTYPED: Final = ("data:application/octet-stream;base64,", "data:;base64,")
# Base64 characters in which the first bytes tell what a file is; a multiple of four.
_HEAD: Final = 12 * 1024


def is_media_url(url: str) -> bool:
    """Whether a text is a URL that may carry media; a path of a local file is none."""
    return url[:8].lower().startswith(URL_SCHEMES)


def part_type(mime_type: str) -> str | None:
    """The type of the part for media of a MIME type; None if they are of no kind that there is."""
    return next((part for part, kind in MEDIA_KINDS.items() if mime_type.startswith(kind.family)), None)


def part_of_url(url: str) -> tuple[str, str]:
    """Find the kind of a media URL: the type of its part, and the URL, which then tells the true MIME type.

    It is told by the URL's MIME type, by the first bytes of a data URL that names none, or by the ending of a path; if
    none of them tells, it is taken for an image.
    """
    url = _with_mime_type(url)
    start = url[:100].lower()
    mime_type = start[5:] if start.startswith("data:") else mimetypes.guess_type(url.partition("?")[0])[0] or ""
    return part_type(mime_type) or "image_url", url


def mime_type_of(content: bytes, name: str = "") -> str | None:
    """Tell the MIME type by the content's first bytes, else by the ending of its name; None if neither tells."""
    import filetype

    by_content: str | None = filetype.guess_mime(content[:8192])
    return by_content or mimetypes.guess_type(name)[0]


def labels_in(content: object) -> list[str]:
    """What to call the media in a message's content, in order."""
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
