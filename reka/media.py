"""Media as message parts and URLs; local content becomes a `data:` URL with its detected MIME type."""

import base64
from os import PathLike
from pathlib import Path
from typing import BinaryIO, TypeAlias

from reka import config
from reka._protocol.media import MEDIA_FAMILIES, MEDIA_KINDS, mime_type_of
from reka.errors import InvalidArgumentError
from reka.errors.combined import file_error

Media: TypeAlias = str | bytes | PathLike[str] | BinaryIO
"""An http(s) or `data:` URL, or content as a path object, bytes or an open binary file. A string is never a path."""


def image(media: Media, *, max_bytes: int = config.MAX_MEDIA_BYTES) -> dict[str, str]:
    """Build an image part of a message, for `complete` and `stream_messages`.

    Args:
        media: The image.
        max_bytes: Maximum size of its content, in bytes.

    Returns:
        `{"type": "image_url", "image_url": URL}`.

    Raises:
        InvalidArgumentError: The media is missing, empty, unreadable, too large, or not an image.
    """
    return _part("image", media, max_bytes)


def video(media: Media, *, max_bytes: int = config.MAX_MEDIA_BYTES) -> dict[str, str]:
    """Build a video part of a message; see `image`."""
    return _part("video", media, max_bytes)


def audio(media: Media, *, max_bytes: int = config.MAX_MEDIA_BYTES) -> dict[str, str]:
    """Build an audio part of a message; see `image`."""
    return _part("audio", media, max_bytes)


def pdf(media: Media, *, max_bytes: int = config.MAX_MEDIA_BYTES) -> dict[str, str]:
    """Build a PDF part of a message; see `image`."""
    return _part("pdf", media, max_bytes)


def media_url_of_file(path: str | PathLike[str], max_bytes: int = config.MAX_MEDIA_BYTES) -> str:
    """Read a media file into a `data:` URL.

    Args:
        path: An image, a video, audio or a PDF.
        max_bytes: Maximum size, in bytes.

    Returns:
        A base64 `data:` URL.

    Raises:
        InvalidArgumentError: The file is missing, empty, unreadable, too large, or not a media file.
    """
    return _url_of_file(path, "media_filename", MEDIA_FAMILIES, max_bytes)


def _part(argument: str, media: Media, max_bytes: int) -> dict[str, str]:
    kind = f"{argument}_url"
    return {"type": kind, kind: _url(media, argument, MEDIA_KINDS[kind].family, max_bytes)}


def _url(media: Media, argument: str, family: str, max_bytes: int) -> str:
    if isinstance(media, str):
        if media.lower().startswith(("http://", "https://", f"data:{family}")):
            return media
        raise InvalidArgumentError(
            f"{argument}: got {media[:80]!r}, want an http(s) URL or a data:{family} URL; a local file goes in as a "
            "pathlib.Path"
        )
    if isinstance(media, PathLike):
        return _url_of_file(media, argument, (family,), max_bytes)
    if not isinstance(media, bytes) and not hasattr(media, "read"):
        raise InvalidArgumentError(
            f"{argument}: got {type(media).__name__}, want a URL, a path, bytes or a binary file"
        )
    name = getattr(media, "name", "")
    content = media if isinstance(media, bytes) else media.read(max_bytes + 1)
    if not isinstance(content, bytes):
        raise InvalidArgumentError(f"{argument}: the file gives text; open it in binary mode")
    return _url_of_content(content, f"{argument}: it", name if isinstance(name, str) else "", (family,), max_bytes)


def _url_of_file(path: str | PathLike[str], argument: str, families: tuple[str, ...], max_bytes: int) -> str:
    shown = f"{argument}: {str(path)!r}"
    try:
        with Path(path).open("rb") as file:
            content = file.read(max_bytes + 1)
    except FileNotFoundError as error:
        raise file_error(f"{shown} does not exist; want the path of a media file", error) from error
    except IsADirectoryError as error:
        raise file_error(f"{shown} is a folder; want the path of a media file", error) from error
    except OSError as error:
        raise file_error(f"{shown} cannot be read ({error})", error) from error
    except (ValueError, TypeError) as error:
        raise InvalidArgumentError(f"{shown} cannot be read ({error})") from error
    return _url_of_content(content, shown, str(path), families, max_bytes)


def _url_of_content(content: bytes, shown: str, name: str, families: tuple[str, ...], max_bytes: int) -> str:
    if not content:
        raise InvalidArgumentError(f"{shown} is empty")
    if len(content) > max_bytes:
        raise InvalidArgumentError(
            f"{shown} is larger than {max_bytes / 2**20:.3g} MiB; give a smaller file, or its address as media_url"
        )
    mime_type = mime_type_of(content, name)
    if mime_type is None or not mime_type.startswith(families):
        wanted = "an image, video, audio or a PDF" if families == MEDIA_FAMILIES else " or ".join(families)
        raise InvalidArgumentError(f"{shown} is {mime_type or 'of no known type'}; want {wanted}")
    return data_url(content, mime_type)


def data_url(content: bytes, mime_type: str) -> str:
    """Encode bytes as a base64 `data:` URL (RFC 2397)."""
    return f"data:{mime_type};base64,{base64.b64encode(content).decode('ascii')}"
