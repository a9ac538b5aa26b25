"""Results of dataset operations."""

import sys

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:
    # pydantic, by which a program may read it, refuses typing's own before Python 3.12.
    from typing_extensions import TypedDict


class DatasetResult(TypedDict):
    """Result of uploading or deleting a dataset. Other fields of the server are kept."""

    __pydantic_config__ = {"extra": "allow"}  # type: ignore[misc]  # noqa: RUF012  # how pydantic configures a TypedDict

    name: str
    """Name of the dataset as stored."""

    ok: bool
    """Whether the operation succeeded."""

    info: str
    """Further details; may be empty."""
