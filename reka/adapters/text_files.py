"""Text files as documents of a dataset."""

from collections.abc import Iterator, Sequence
from os import PathLike
from pathlib import Path

from reka._inputs.uploads import dataset_source
from reka.errors import InvalidArgumentError
from reka.types import Document


def documents_of_files(files: str | PathLike[str] | Sequence[str | PathLike[str]]) -> Iterator[Document]:
    """Check text files, and read each as a document whose id is its name, below its folder if that is given.

    Args:
        files: A folder, a file, or a list of files; what is left out of a folder is said at `Reka.add_folder`.

    Returns:
        The documents, each read when it is asked for; files without any text are left out.

    Raises:
        InvalidArgumentError: A file does not exist or is no text, or two have one name; or, when all are read, none
            has any text.
    """
    entries = dataset_source(files, None).entries
    return _read({name: Path(path) for name, path in entries.items()})


def _read(files: dict[str, Path]) -> Iterator[Document]:
    is_empty = True
    for name, path in files.items():
        text = path.read_bytes().decode("utf-8-sig")
        if text.strip():
            is_empty = False
            yield {"id": name, "text": text}
    if is_empty:
        raise InvalidArgumentError("files: none has any text")
