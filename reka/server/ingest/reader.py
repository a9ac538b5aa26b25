"""Reading a dataset's file as chunks, with progress."""

from collections.abc import Generator, Iterator
from pathlib import Path

from reka.server.ingest import plaintext, zip_archive
from reka.server.retrieval.chunking import Chunk
from reka.server.text.stage import chunks_of_file


class DatasetReader:
    """Reads a validated dataset file once, a block at a time."""

    def __init__(self, path: Path, kind: str, source: str, chunk_chars: int) -> None:
        """Open the dataset file at `path`.

        Args:
            path: The file.
            kind: `zip` or `text`.
            source: Source of the chunks of a text; those of a zip have the name of their file in it.
            chunk_chars: Maximum length of a chunk in characters.
        """
        self._path = path
        self._is_zip = kind == "zip"
        self._source = source
        self._chunk_chars = chunk_chars
        self._total_bytes = zip_archive.text_bytes(path) if self._is_zip else path.stat().st_size
        self._bytes_read = 0

    @property
    def progress(self) -> float:
        """Fraction of the text that is read, 0 to 1."""
        return min(1.0, self._bytes_read / self._total_bytes) if self._total_bytes else 1.0

    def chunks(self) -> Generator[Chunk, None, None]:
        """Yield all chunks, in the order of the file."""
        if self._is_zip:
            for name, blocks in zip_archive.text_files(self._path):
                yield from self._split(blocks, name)
        else:
            with self._path.open("rb") as file:
                yield from self._split(plaintext.read_blocks(file), self._source)

    def _split(self, blocks: Iterator[bytes], source: str) -> Iterator[Chunk]:
        return chunks_of_file(plaintext.decode(self._count_bytes(blocks)), source, self._chunk_chars)

    def _count_bytes(self, blocks: Iterator[bytes]) -> Iterator[bytes]:
        for block in blocks:
            self._bytes_read += len(block)
            yield block
