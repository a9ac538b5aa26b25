"""A dataset's file as chunks, with how much of it has been read."""

from collections.abc import Generator, Iterator
from pathlib import Path

from reka.server.ingest import plaintext, zip_archive
from reka.server.retrieval.chunking import Chunk, chunks


class DatasetText:
    """The text of a checked dataset file, read once, a block at a time."""

    def __init__(self, path: Path, kind: str, source: str, chunk_chars: int) -> None:
        """Read the file at `path`.

        Args:
            path: The file.
            kind: `zip` or `text`.
            source: What chunks of a text name as their file; those of a zip name the file in it.
            chunk_chars: The most characters of a chunk.
        """
        self._path = path
        self._is_zip = kind == "zip"
        self._source = source
        self._chunk_chars = chunk_chars
        self._bytes = zip_archive.text_bytes(path) if self._is_zip else path.stat().st_size
        self._read = 0

    @property
    def progress(self) -> float:
        """How much of the text has been read, 0 to 1."""
        return min(1.0, self._read / self._bytes) if self._bytes else 1.0

    def chunks(self) -> Generator[Chunk, None, None]:
        """All chunks, in the order of the file."""
        if self._is_zip:
            for name, _, blocks in zip_archive.text_files(self._path):
                yield from self._split(blocks, name)
        else:
            with self._path.open("rb") as file:
                yield from self._split(plaintext.read_blocks(file), self._source)

    def _split(self, blocks: Iterator[bytes], source: str) -> Iterator[Chunk]:
        return chunks(plaintext.decode(self._counted(blocks)), source, self._chunk_chars)

    def _counted(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._read += len(block)
            yield block
