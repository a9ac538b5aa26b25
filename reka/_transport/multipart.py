"""The body of an upload, as multipart/form-data: the file's blocks between two pieces made beforehand."""

import mimetypes
import os
from collections.abc import Iterator

from urllib3.filepost import encode_multipart_formdata

from reka._calls.call import Upload


def multipart_body(upload: Upload) -> tuple[Iterator[bytes], int | None, str]:
    """The body of an upload: its blocks, their length (None if the source's is unknown), and its Content-Type."""
    before, after, content_type = _envelope(upload)
    size = upload.source.size
    length = None if size is None else len(before) + size + len(after)
    return _blocks(upload, before, after), length, content_type


def _envelope(upload: Upload) -> tuple[bytes, bytes, str]:
    """The bytes before the file's own, the bytes after, and the Content-Type."""
    # urllib3 encodes the form around a placeholder for the file; the file itself never has to be in memory.
    placeholder = os.urandom(16)
    filename = upload.source.filename
    mime_type = mimetypes.guess_type(filename)[0] or "text/plain"
    form, content_type = encode_multipart_formdata(
        [*upload.fields.items(), ("file", (filename, placeholder, mime_type))]
    )
    before, _, after = form.partition(placeholder)
    return before, after, content_type


def _blocks(upload: Upload, before: bytes, after: bytes) -> Iterator[bytes]:
    yield before
    sent = 0
    for block in upload.source.blocks():
        yield block
        sent += len(block)
        if upload.on_progress is not None:
            upload.on_progress(sent, upload.source.size)
    yield after
