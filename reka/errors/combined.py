"""Errors of several classes at once: one of ours, and those that programs written for other packages look for."""

from typing import Any, Final, TypeVar, cast

from reka.errors import InvalidArgumentError, RekaError

E = TypeVar("E", bound=RekaError)

_CLASSES: Final[dict[tuple[type[Exception], ...], type[RekaError]]] = {}


def combined(kind: type[E], *others: type[Exception]) -> type[E]:
    """Find the class of errors that are of all these classes; `kind` itself if it is of them already.

    Args:
        kind: One of our classes. The class that is found has its name and its constructor.
        others: Further classes.
    """
    missing = tuple(other for other in others if not issubclass(kind, other))
    if not missing:
        return kind
    parts: tuple[Any, ...] = (*getattr(kind, "_parts", (kind,)), *missing)
    found = _CLASSES.get(parts) or _CLASSES.setdefault(parts, _new_class(parts))
    return cast("type[E]", found)


def file_error(message: str, cause: OSError) -> InvalidArgumentError:
    """Make the error for a file that cannot be opened: an `InvalidArgumentError` that is also of the cause's class."""
    error: Any = combined(InvalidArgumentError, type(cause))(message)
    error.errno, error.strerror, error.filename = cause.errno, cause.strerror, cause.filename
    return cast("InvalidArgumentError", error)


def _new_class(parts: tuple[Any, ...]) -> type[RekaError]:
    def reduce(error: RekaError) -> tuple[Any, ...]:
        # By what the class is made of: it is not found under its name.
        return _restored, (parts, error.args), error.__dict__

    kind = parts[0]
    fields = {"__module__": kind.__module__, "__doc__": kind.__doc__, "__reduce__": reduce, "_parts": parts}
    return type(kind.__name__, parts, fields)


def _restored(parts: tuple[Any, ...], arguments: tuple[Any, ...]) -> RekaError:
    error: RekaError = combined(*parts)(*arguments)
    return error
