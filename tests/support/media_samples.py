"""The first bytes of media files, by which their types are told."""

from typing import Final

PNG: Final = b"\x89PNG\r\n\x1a\n" + b"\0" * 32
JPEG: Final = b"\xff\xd8\xff\xe0" + b"\0" * 32
MP4: Final = b"\0\0\0\x18ftypmp42" + b"\0" * 32
PDF: Final = b"%PDF-1.7\n" + b"\0" * 32
WAV: Final = b"RIFF\x24\0\0\0WAVEfmt " + b"\0" * 32
