"""Classes of internal values: frozen dataclasses to the type checker, and as little as possible when they are made.

Python compiles each method of a dataclass when the class is made, and a first answer waits for all of them. Those that
internal values have no use for, to compare, hash and show them and to refuse assignment, are three quarters of that.
"""

from dataclasses import dataclass
from typing import TypeVar

from reka._compat import dataclass_transform

T = TypeVar("T")


@dataclass_transform(eq_default=False, frozen_default=True)
def record(cls: type[T]) -> type[T]:
    """Make a dataclass of internal values."""
    return dataclass(slots=True, eq=False, repr=False)(cls)
