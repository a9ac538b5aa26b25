"""The frame of a multipart upload: what goes before the file's bytes, and what after."""

import mimetypes
import secrets
from collections.abc import Mapping

from urllib3.filepost import encode_multipart_formdata


def multipart_frame(fields: Mapping[str, str], filename: str) -> tuple[bytes, bytes, str]:
    """Frame one file.

    Args:
        fields: Form fields that go before it.
        filename: The name that is sent with it, in the part named `file`.

    Returns:
        The bytes before the file's own, the bytes after, and the Content-Type.
    """
    # urllib3 writes the form around a stand-in for the file; the file itself never has to be in memory.
    stand_in = secrets.token_bytes(16)
    mime_type = mimetypes.guess_type(filename)[0] or "text/plain"
    form, content_type = encode_multipart_formdata([*fields.items(), ("file", (filename, stand_in, mime_type))])
    before, _, after = form.partition(stand_in)
    return before, after, content_type
