"""What an index stands for, and how documents become a dataset's files and are found again."""

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import unquote

from llama_index.core.schema import Document, MetadataMode

import reka

_LOG: Final = logging.getLogger(__name__)

PREPARE_HINT: Final = "RekaIndex.from_documents"
"""What makes a dataset ready, for errors."""

_KEPT: Final = frozenset(" -_.,+@=()[]~!#&'")
"""Signs that a file's name keeps besides letters and digits of any script."""

_LONGEST_NAME: Final = 200
"""Bytes of a file's name; file systems, and zips that are unpacked to them, take 255."""


@dataclass(slots=True)
class Dataset:
    """A dataset that an index stands for. It is shared by all that was made of the index, which so switches at once.

    Attributes:
        label: What the caller named it; stays the same when the index is refreshed.
        name: What the server stores now.
        documents: The documents in it by their files' names, as far as they are known.
    """

    label: str
    name: str
    documents: Mapping[str, Document] = field(default_factory=dict)

    def document_of(self, source: str) -> Document | None:
        """The document that a chunk's source names; None if it is not known here."""
        return self.documents.get(source)


def files_of(documents: Sequence[Document]) -> dict[str, Document]:
    """Name the files of documents: by their ids, or by their contents where nobody gave an id.

    LlamaIndex makes ids up at random, anew in each run; as names of files they would make another dataset of the same
    texts each time.

    A blank document, such as an empty page, has nothing to store; that it is left out is logged.

    Raises:
        InvalidArgumentError: There are none, one is no document or has a picture or a sound in place of a text, or two
            with different texts have one id.
    """
    files: dict[str, Document] = {}
    for index, document in enumerate(documents):
        if not isinstance(document, Document):
            raise reka.InvalidArgumentError(f"documents: number {index} is {type(document).__name__}, want a Document")
        if not text_of(document).strip():
            _require_blank(index, document)
            continue
        name = _file_name(document)
        same = files.setdefault(name, document)
        if text_of(same) != text_of(document):
            raise reka.InvalidArgumentError(f"documents: two have the id {document.id_!r}, and different texts")
    if not files:
        raise reka.InvalidArgumentError("documents: there are none with a text")
    return files


def _require_blank(index: int, document: Document) -> None:
    if any((document.image_resource, document.audio_resource, document.video_resource)):
        raise reka.InvalidArgumentError(
            f"documents: number {index} (id {document.id_!r}) has media and no text; a dataset holds texts alone"
        )
    _LOG.warning("document %d (id %r) is blank and left out", index, document.id_)


def text_of(document: Document) -> str:
    """What is stored of a document."""
    return document.get_content(MetadataMode.NONE)


def document_id(source: str) -> str:
    """The id of the document that a file was named after."""
    return unquote(source)


def _file_name(document: Document) -> str:
    if "id_" not in document.model_fields_set:
        return hashlib.sha256(f"{text_of(document)}\0{sorted(document.metadata.items())}".encode()).hexdigest()[:32]
    return _safe(document.id_)


def _safe(identity: str) -> str:
    """Write an id as a relative path that any server takes; `document_id` reads all but very long ones back."""
    parts = identity.split("/")
    is_path = all(part not in {"", ".", ".."} for part in parts) and parts[0] != "__MACOSX"
    kept = _KEPT | {"/"} if is_path else _KEPT - {"."}
    name = "".join(sign if sign.isalnum() or sign in kept else _encoded(sign) for sign in identity)
    name = "/".join(f"%2E{part[1:]}" if part.startswith(".") else part for part in name.split("/"))
    if len(name.encode()) <= _LONGEST_NAME:
        return name
    digest = hashlib.sha256(identity.encode()).hexdigest()[:32]
    return f"{name.encode()[: _LONGEST_NAME - 33].decode(errors='ignore')}~{digest}"


def _encoded(sign: str) -> str:
    return "".join(f"%{byte:02X}" for byte in sign.encode("utf-8", "surrogatepass"))
