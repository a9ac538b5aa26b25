"""The dataset behind an index, and the mapping between documents and the dataset's files."""

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
"""Name of the method that prepares a dataset, for error messages."""

_SAFE_PUNCTUATION: Final = frozenset(" -_.,+@=()[]~!#&'")
"""Characters that are not encoded in file names, besides letters and digits of any script."""

_MAX_NAME_BYTES: Final = 200
"""Maximum length of a file name; file systems, to which zip archives are extracted, allow 255 bytes."""


@dataclass(slots=True)
class Dataset:
    """The dataset behind an index. The index, its retrievers and its engines share it, so they switch together.

    Attributes:
        label: Name given by the caller; a refresh does not change it.
        name: Current stored name on the server.
        documents: Documents of the dataset by file name; empty if the dataset was not created by this process.
    """

    label: str
    name: str
    documents: Mapping[str, Document] = field(default_factory=dict)

    def document_of(self, source: str) -> Document | None:
        """Return the document that a chunk's source names; None if it is unknown."""
        return self.documents.get(source)


def as_dataset(dataset: object) -> Dataset:
    """Return the dataset of this name; a dataset is returned as it is.

    Raises:
        InvalidArgumentError: It is not a name, or a blank one.
    """
    if isinstance(dataset, str):
        dataset = Dataset(dataset, dataset)
    if not isinstance(dataset, Dataset) or not dataset.name.strip():
        shown = repr(dataset.name) if isinstance(dataset, Dataset) else type(dataset).__name__
        raise reka.InvalidArgumentError(f"dataset: got {shown}, want the name of a dataset")
    return dataset


def files_of(documents: Sequence[Document]) -> dict[str, Document]:
    """Map file names to documents. A file is named after the document's id, or its content if the id is generated.

    LlamaIndex generates random ids, new ones in each run; as file names they would create a new dataset of the same
    texts each time.

    Blank documents, such as empty pages, are skipped with a warning in the log.

    Raises:
        InvalidArgumentError: No document has text, an element is not a document, has media instead of text or a blank
            id, or two documents with different texts have the same id.
    """
    if not isinstance(documents, Sequence):
        raise reka.InvalidArgumentError(f"documents: got {type(documents).__name__}, want a list of documents")
    files: dict[str, Document] = {}
    for index, document in enumerate(documents):
        if not isinstance(document, Document):
            raise reka.InvalidArgumentError(
                f"documents: got {type(document).__name__} at index {index}, want a Document"
            )
        if not text_of(document).strip():
            _require_blank(index, document)
            continue
        if not document.id_.strip():
            raise reka.InvalidArgumentError(
                f"documents: got the id {document.id_!r} at index {index}, want one that is not blank; leave the id "
                "out to have the document named after its content"
            )
        name = _file_name(document)
        first = files.setdefault(name, document)
        if text_of(first) != text_of(document):
            raise reka.InvalidArgumentError(
                f"documents: got the id {document.id_!r} twice, with different texts; want unique ids"
            )
    if not files:
        raise reka.InvalidArgumentError("documents: got none with text, want at least one")
    return files


def _require_blank(index: int, document: Document) -> None:
    if any((document.image_resource, document.audio_resource, document.video_resource)):
        raise reka.InvalidArgumentError(
            f"documents: got media without text at index {index} (id {document.id_!r}); a dataset stores texts only"
        )
    _LOG.warning("document %d (id %r) is blank and is skipped", index, document.id_)


def text_of(document: Document) -> str:
    """Return the text of a document that is stored."""
    return document.get_content(MetadataMode.NONE)


def document_id(source: str) -> str:
    """Return the id of the document that a file was named after."""
    return unquote(source)


def _file_name(document: Document) -> str:
    if "id_" not in document.model_fields_set:
        return hashlib.sha256(f"{text_of(document)}\0{sorted(document.metadata.items())}".encode()).hexdigest()[:32]
    return _safe_file_name(document.id_)


def _safe_file_name(identity: str) -> str:
    """Encode an id as a relative path that every server accepts; `document_id` decodes all but very long ones."""
    parts = identity.split("/")
    is_path = all(part not in {"", ".", ".."} for part in parts) and parts[0] != "__MACOSX"
    safe = _SAFE_PUNCTUATION | {"/"} if is_path else _SAFE_PUNCTUATION - {"."}
    name = "".join(char if char.isalnum() or char in safe else _percent_encode(char) for char in identity)
    name = "/".join(f"%2E{part[1:]}" if part.startswith(".") else part for part in name.split("/"))
    if len(name.encode()) <= _MAX_NAME_BYTES:
        return name
    digest = hashlib.sha256(identity.encode()).hexdigest()[:32]
    return f"{name.encode()[: _MAX_NAME_BYTES - 33].decode(errors='ignore')}~{digest}"


def _percent_encode(char: str) -> str:
    return "".join(f"%{byte:02X}" for byte in char.encode("utf-8", "surrogatepass"))
