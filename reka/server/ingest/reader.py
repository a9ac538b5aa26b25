"""Reading the documents of a dataset, as text and as chunks, with progress."""

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeAlias

from reka.server.ingest import plaintext, zip_archive
from reka.server.retrieval.chunking import Chunk
from reka.server.storage.document_store import Document, digest_of
from reka.server.text.stage import chunks_of_file

MAX_ABOUT_CHARS: Final = 512
"""Characters of a document's metadata that are searched with each of its chunks (ours)."""

SEARCHED: Final = "_searched"
"""Key of the metadata of a document whose value is searched in place of the metadata (ours)."""

TextReader: TypeAlias = Callable[[Iterable[Document]], Iterator[tuple[Document, Iterator[str]]]]


class DocumentReader:
    """Reads documents once, a block at a time: those of the uploaded file first, as they come first."""

    def __init__(self, path: Path, kind: str, documents: Sequence[Document], read_texts: TextReader) -> None:
        """Prepare to read documents.

        Args:
            path: The dataset's uploaded file, if it has one.
            kind: `zip`, `text`, or anything else without such a file.
            documents: The documents, in the order of their numbers.
            read_texts: Yields documents that are in the database with their texts in parts, in order.
        """
        self._path = path
        self._kind = kind
        self.documents = documents
        self._read_texts = read_texts
        self._total_bytes = sum(document.size_bytes for document in documents)
        self._bytes_read = 0
        self.digests: dict[int, str] = {}
        """Digests of the uploaded documents that have been read to their end."""

    @property
    def progress(self) -> float:
        """Fraction of the text that is read, 0 to 1."""
        return min(1.0, self._bytes_read / self._total_bytes) if self._total_bytes else 1.0

    def texts(self) -> Generator[tuple[Document, Iterator[str]], None, None]:
        """Yield each document with its text in parts, which must be consumed before the next one."""
        members = {document.member: document for document in self.documents if document.member is not None}
        for member, blocks in self._files() if members else ():
            if document := members.get(member):
                yield document, self._digesting(document, plaintext.decode(self._count_bytes(blocks)))
        for document, parts in self._read_texts(document for document in self.documents if document.member is None):
            yield document, parts
            self._bytes_read += document.size_bytes

    def chunks(self, chunk_chars: int) -> Generator[Chunk, None, None]:
        """Yield the chunks of all documents, in their order.

        Args:
            chunk_chars: Maximum length of a chunk in characters.
        """
        for document, parts in self.texts():
            about = about_of(document.metadata)
            for chunk in chunks_of_file(parts, document.source, chunk_chars):
                yield replace(chunk, document=document.number, about=about)
            for _ in parts:  # so that the digest is that of the whole text
                pass

    def _files(self) -> Iterator[tuple[int, Iterator[bytes]]]:
        if self._kind == "zip":
            for member, (_, blocks) in enumerate(zip_archive.text_files(self._path)):
                yield member, blocks
        else:
            with self._path.open("rb") as file:
                yield 0, plaintext.read_blocks(file)

    def _count_bytes(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._bytes_read += len(block)
            yield block

    def _digesting(self, document: Document, parts: Iterable[str]) -> Iterator[str]:
        digest = digest_of(document.source, json.dumps(document.metadata))
        for part in parts:
            digest.update(part.encode())
            yield part
        self.digests[document.number] = digest.hexdigest()


def about_of(metadata: Mapping[str, Any]) -> str:
    """Write metadata as lines that are searched with a text: plain values, and lists of them.

    Metadata may have these lines themselves, as a text under `_searched`; then nothing else of it is searched.
    """
    if isinstance(own := metadata.get(SEARCHED), str):
        return f"{own[:MAX_ABOUT_CHARS]}\n" if own.strip() else ""
    lines = []
    for key, value in metadata.items():
        values = value if isinstance(value, list) else [value]
        if plain := [str(one) for one in values if isinstance(one, str | int | float)]:
            lines.append(f"{key}: {', '.join(plain)}\n")
    about = "".join(lines)
    return about if len(about) <= MAX_ABOUT_CHARS else f"{about[:MAX_ABOUT_CHARS]}\n"
