"""Media in a conversation: message parts for URLs, and the kinds of media in a message."""

import base64
import binascii
import mimetypes
from collections.abc import Mapping
from typing import Any, Final

from reka.media import mime_type_of

__all__ = ["KINDS", "media_of", "media_part"]

KINDS: Final[Mapping[str, str]] = {
    "image_url": "image",
    "video_url": "video",
    "audio_url": "audio",
    "pdf_url": "PDF",
    "input_audio": "audio",
    "file": "file",
}
"""Types of media parts, and their names in messages. The last two are OpenAI's alone."""

_BY_FAMILY: Final[Mapping[str, str]] = {"image": "image_url", "video": "video_url", "audio": "audio_url"}
_UNTYPED: Final = ("data:application/octet-stream;base64,", "data:;base64,")
_HEAD_CHARS: Final = 12 * 1024
"""Base64 characters at the start of a file that its type is detected by; a multiple of four."""


def media_part(url: str) -> dict[str, Any]:
    """Build the message part for a URL. Its kind is detected from the URL, and is an image by default."""
    url = _with_mime_type(url)
    mime_type = url[len("data:") :].partition(";")[0] if url.startswith("data:") else _guess_by_name(url)
    kind = "pdf_url" if mime_type == "application/pdf" else _BY_FAMILY.get(mime_type.partition("/")[0], "image_url")
    return {"type": kind, kind: {"url": url}}


def media_of(message: Mapping[str, Any]) -> list[str]:
    """Return the names of the kinds of media in a message, in order."""
    content = message.get("content")
    parts = content if isinstance(content, list) else ()
    return [KINDS[part["type"]] for part in parts if part.get("type") in KINDS]


def _guess_by_name(url: str) -> str:
    return mimetypes.guess_type(url.partition("?")[0])[0] or ""


def _with_mime_type(url: str) -> str:
    """Add the MIME type to a data URL without one, by its content: reka-api sends every local file that way."""
    header = next((untyped for untyped in _UNTYPED if url.startswith(untyped)), None)
    if header is None:
        return url
    data = url[len(header) :]
    try:
        mime_type = mime_type_of(base64.b64decode(data[:_HEAD_CHARS], validate=True))
    except binascii.Error:
        mime_type = None
    return f"data:{mime_type};base64,{data}" if mime_type else url
