"""Results of operations on documents that took several requests."""

from typing import Any, Final, TypeVar

from reka.types import DeleteDocumentsResult, PutDocumentsResult

R = TypeVar("R", PutDocumentsResult, DeleteDocumentsResult)

NOTHING_PUT: Final[PutDocumentsResult] = {"added": 0, "replaced": 0, "unchanged": 0, "job_id": None}
NOTHING_DELETED: Final[DeleteDocumentsResult] = {"deleted": 0, "job_id": None}

_COUNTS: Final = ("added", "replaced", "unchanged", "deleted")


def add_results(total: R, result: R) -> R:
    """Add the counts of a result to the total; its job, if it has one, is the one that is to be waited for."""
    before: dict[str, Any] = {**total}
    after: dict[str, Any] = {**before, **result, "job_id": result["job_id"] or total["job_id"]}
    after.update({name: before[name] + result.get(name) for name in _COUNTS if name in before})
    return after  # type: ignore[return-value]  # the fields of both
