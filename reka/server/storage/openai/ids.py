"""Ids of OpenAI's API: made of ids of datasets and documents, and read back. Pure functions."""

import base64
import binascii
import re
from typing import Final
from uuid import uuid4

_STORE: Final = "vs_"
_BATCH: Final = "vsfb_"
_DOCUMENT: Final = "doc-"
_HEX: Final = re.compile(r"[0-9a-f]{32}")
_FILE: Final = re.compile(r"file-[0-9a-f]{32}")
_DATASET_BYTES: Final = 16


def new_file_id() -> str:
    """Make the id of a new file."""
    return f"file-{uuid4().hex}"


def store_id(dataset_id: str) -> str:
    """Return the id of the vector store that a dataset is."""
    return _STORE + dataset_id


def dataset_of_store(value: str) -> str | None:
    """Return the id of a vector store's dataset; None if it is no id of a vector store."""
    return _hex_after(_STORE, value)


def batch_id(number: str) -> str:
    """Return the id of a batch of files."""
    return _BATCH + number


def number_of_batch(value: str) -> str | None:
    """Return what `batch_id` was given; None if it is no id of a batch."""
    return _hex_after(_BATCH, value)


def file_id(dataset_id: str, document: str) -> str:
    """Return the id of a document as a file.

    Args:
        dataset_id: Id of its dataset, 32 hexadecimal digits.
        document: The document's id in its dataset: that of the file that was attached, or any text.
    """
    if _FILE.fullmatch(document):
        return document
    encoded = base64.urlsafe_b64encode(bytes.fromhex(dataset_id) + document.encode())
    return _DOCUMENT + encoded.decode().rstrip("=")


def document_of_file(value: str) -> tuple[str | None, str] | None:
    """Return the dataset and the id of the document that a file's id names.

    Returns:
        The id of the dataset, None for a file that may be attached to any, and the document's id; None if it is no id
        of a file.
    """
    if _FILE.fullmatch(value):
        return None, value
    if not value.startswith(_DOCUMENT) or not value.isascii():
        return None
    encoded = value.removeprefix(_DOCUMENT)
    try:
        decoded = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        dataset_id, document = decoded[:_DATASET_BYTES].hex(), decoded[_DATASET_BYTES:].decode()
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (dataset_id, document) if document and file_id(dataset_id, document) == value else None


def _hex_after(prefix: str, value: str) -> str | None:
    rest = value.removeprefix(prefix)
    return rest if value.startswith(prefix) and _HEX.fullmatch(rest) else None
