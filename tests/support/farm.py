"""Documents of a farm, for tests of datasets as sets of documents."""

from collections.abc import Callable
from typing import Any, TypeAlias

import reka
from reka.adapters import Steps

OWL: reka.Document = {"id": "owl", "text": "The owl hunts at night.", "metadata": {"kind": "bird", "legs": 2}}
HEN: reka.Document = {"id": "hen", "text": "The hen lays 12 eggs.", "metadata": {"kind": "bird", "legs": 2}}
COW: reka.Document = {"id": "cow/1", "text": "The cow gives milk.\n\nIt eats grass.", "source": "cow.txt"}

Do: TypeAlias = Callable[[Steps[Any]], Any]
"""Takes steps, synchronously or not."""


def ids(chunks: Any) -> list[Any]:
    return [chunk.get("document_id") for chunk in chunks]
