"""Zip archives, whole or spoilt."""

import zipfile
from collections.abc import Callable, Mapping
from io import BytesIO


def zipped(files: Mapping[str, str | bytes], change: Callable[[zipfile.ZipInfo], object] | None = None) -> bytes:
    """Pack files into a zip.

    Args:
        files: Content by name.
        change: May spoil each entry's header.
    """
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            entry = zipfile.ZipInfo(name)
            entry.filename = name  # ZipInfo makes some bad names good
            entry.compress_type = zipfile.ZIP_DEFLATED
            if change is not None:
                change(entry)
            archive.writestr(entry, content)
    return buffer.getvalue()
