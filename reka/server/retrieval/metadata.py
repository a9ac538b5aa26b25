"""The metadata of a dataset's documents as columns, so that a filter is evaluated once for each distinct value."""

import threading
from array import array
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from reka._protocol.filters import MISSING, Comparison, Filter, identity, predicate

if TYPE_CHECKING:
    import numpy as np

    Numbers: TypeAlias = np.ndarray[Any, np.dtype[np.int64]]
    Mask: TypeAlias = np.ndarray[Any, np.dtype[np.bool_]]

KEPT_SELECTIONS: Final = 64
"""Selections of a dataset that are kept, the last ones: programs repeat their filters (ours)."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The documents that a search is limited to."""

    documents: "Numbers"
    """Their numbers, ascending."""
    share: float
    """Their share of all documents, 0 to 1."""


class _Column:
    """The values of one key: each distinct one once, and its place for each document; place 0 is a missing value."""

    def __init__(self) -> None:
        self.values: list[Any] = [MISSING]
        self.places = array("q")
        self._place_of: dict[Any, int] = {MISSING: 0}

    def set(self, row: int, value: Any) -> None:
        self.places.extend([0] * (row - len(self.places)))
        key = identity(value)
        place = self._place_of.get(key)
        if place is None:
            place = self._place_of[key] = len(self.values)
            self.values.append(value)
        self.places.append(place)


class MetadataColumns:
    """The metadata of one dataset's documents. Documents are only added: the index has no chunk of a deleted one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._documents = array("q")
        self._columns: dict[str, _Column] = {}
        self._selections: OrderedDict[str, Selection] = OrderedDict()

    @property
    def last(self) -> int:
        """Number of the last document; 0 if there is none."""
        return self._documents[-1] if self._documents else 0

    def __len__(self) -> int:
        return len(self._documents)

    def add(self, documents: Iterable[tuple[int, Mapping[str, Any]]]) -> None:
        """Add documents, by number in ascending order, with their metadata; those that are there are left alone."""
        with self._lock:
            last, size = self.last, len(self)
            for number, metadata in documents:
                if number <= last:
                    continue
                row = len(self._documents)
                self._documents.append(number)
                for key, value in metadata.items():
                    column = self._columns.get(key)
                    if column is None:
                        column = self._columns[key] = _Column()
                    column.set(row, value)
            if len(self) != size:
                self._selections.clear()

    def select(self, condition: Filter) -> Selection:
        """Return the documents whose metadata fulfil a filter."""
        import numpy as np

        key = repr(condition)
        with self._lock:
            selection = self._selections.get(key)
            if selection is None:
                chosen = np.frombuffer(self._documents, dtype=np.int64)[self._mask(condition)]
                selection = Selection(chosen, len(chosen) / (len(self) or 1))
                self._selections[key] = selection
                if len(self._selections) > KEPT_SELECTIONS:
                    self._selections.popitem(last=False)
            self._selections.move_to_end(key)
            return selection

    def _mask(self, condition: Filter) -> "Mask":
        import numpy as np

        if isinstance(condition, Comparison):
            return self._mask_of(condition)
        is_any = condition.combinator == "$or"
        mask = np.full(len(self), not is_any)
        for part in condition.parts:
            mask = mask | self._mask(part) if is_any else mask & self._mask(part)
        return ~mask if condition.combinator == "$not" else mask

    def _mask_of(self, comparison: Comparison) -> "Mask":
        import numpy as np

        holds = predicate(comparison)
        mask = np.full(len(self), holds(MISSING))
        column = self._columns.get(comparison.key)
        if column is not None:
            fulfils = np.fromiter(map(holds, column.values), dtype=np.bool_, count=len(column.values))
            mask[: len(column.places)] = fulfils[np.frombuffer(column.places, dtype=np.int64)]
        return mask
