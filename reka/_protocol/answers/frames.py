"""Local variables of the HTTP libraries: some hold the bytes that were sent, with the key."""

from contextlib import suppress
from traceback import walk_tb
from typing import Final

_LIBRARIES: Final = frozenset({"aiohttp", "http", "requests", "urllib3"})


def forget_locals(error: BaseException | None) -> None:
    """Clear the local variables that an error, its cause and its context keep of the HTTP libraries.

    Reporters of errors show them. The variables of all other code stay as they are.
    """
    errors, seen = [error], set[int]()
    while errors:
        error = errors.pop()
        if error is None or id(error) in seen:
            continue
        seen.add(id(error))
        for frame, _ in walk_tb(error.__traceback__):
            if frame.f_globals.get("__name__", "").partition(".")[0] in _LIBRARIES:
                with suppress(RuntimeError):  # it is still running
                    frame.clear()
        errors += (error.__cause__, error.__context__)
