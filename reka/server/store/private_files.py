"""Files and folders that only their user can read, whatever the umask says, and no link is followed to them."""

import os
import stat
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, Final

_OWNER_ONLY_FILE: Final = 0o600
_OWNER_ONLY_FOLDER: Final = 0o700
_NO_FOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)  # Windows has none


def make_private_folder(path: Path, *, parents: bool = False) -> None:
    """Create a folder if it is missing, and give it the mode 0700.

    Raises:
        OSError: It cannot be created, or is a link or a file.
    """
    path.mkdir(mode=_OWNER_ONLY_FOLDER, parents=parents, exist_ok=True)
    if path.is_symlink():
        raise NotADirectoryError(None, "it is a link", str(path))
    path.chmod(_OWNER_ONLY_FOLDER)


def make_private_file(path: Path) -> None:
    """Create an empty file if it is missing, and give it the mode 0600.

    Raises:
        OSError: It cannot be created, or is a link.
    """
    os.close(_open(str(path), os.O_RDWR))


def create_private(path: Path) -> BinaryIO:
    """Create a file of mode 0600 and open it for writing.

    Raises:
        FileExistsError: There is one.
    """
    return open(path, "xb", opener=_open)


def write_private(path: Path, text: str) -> None:
    """Write a file of mode 0600 atomically. A kill may leave a file of the same name and a dot and 16 hex digits."""
    temporary = path.with_name(f"{path.name}.{token_hex(8)}")
    with create_private(temporary) as file:
        file.write(text.encode())
    temporary.replace(path)


def read_own(path: Path) -> str:
    """Read a file that belongs to this process's user and that no other user can have written.

    Raises:
        OSError: It cannot be read, or is a link.
        PermissionError: It belongs to another user, or others may write to it.
    """
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | _NO_FOLLOW)) as file:
        if problem := ownership_problem(os.fstat(file.fileno()), stat.S_IWGRP | stat.S_IWOTH):
            raise PermissionError(None, problem, str(path))
        return file.read().decode()


def ownership_problem(status: os.stat_result, writable: int) -> str | None:
    """Say why other users may have written a file or folder; None if they cannot have.

    Args:
        status: Its status.
        writable: Bits of the mode that it must not have.
    """
    if os.name == "nt":
        return None  # Windows has no such owner and mode
    if status.st_uid != os.geteuid():
        return f"it belongs to another user (number {status.st_uid})"
    if status.st_mode & writable:
        return f"other users may write to it (mode {stat.S_IMODE(status.st_mode):04o})"
    return None


def _open(name: str, flags: int) -> int:
    handle = os.open(name, flags | os.O_CREAT | _NO_FOLLOW, _OWNER_ONLY_FILE)
    if os.name != "nt":
        os.fchmod(handle, _OWNER_ONLY_FILE)
    return handle
