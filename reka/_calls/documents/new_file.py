"""A file that stands under its name once it is complete."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from os import PathLike
from pathlib import Path
from typing import BinaryIO
from uuid import uuid4

from reka._protocol.checks import expanded
from reka.errors import InvalidArgumentError, RekaError
from reka.errors.combined import file_error


@contextmanager
def new_file(path: object) -> Iterator[tuple[BinaryIO, Path]]:
    """Open a file to write, which takes the place of one of its name when the block ends, and is removed if that fails.

    Yields:
        The file, and where it will be.

    Raises:
        InvalidArgumentError: It cannot be written.
    """
    if not isinstance(path, str | PathLike) or not str(path):
        raise InvalidArgumentError(f"path: got {path!r}, want the path of a file")
    target = expanded(path, "path")
    if target.is_dir():
        raise InvalidArgumentError(f"path: {str(path)!r} is a folder; want the path of a file")
    # Two that write to one path at once have a file each; the last one to end wins.
    part = target.with_name(f"{target.name}.{uuid4().hex[:8]}.part")
    try:
        with part.open("xb") as file:
            yield file, target
        part.replace(target)
    except BaseException as error:
        with suppress(OSError):
            part.unlink()
        if isinstance(error, OSError) and not isinstance(error, RekaError):
            raise file_error(f"path: {str(path)!r} cannot be written ({error.strerror})", error) from error
        raise
