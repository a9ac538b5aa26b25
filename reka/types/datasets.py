"""Results of dataset operations."""

from typing import TypedDict


class DatasetResult(TypedDict):
    """Result of uploading or deleting a dataset. Other fields of the server are kept."""

    name: str
    """Name of the dataset as stored."""

    ok: bool
    """Whether the operation succeeded."""

    info: str
    """Further details; may be empty."""
