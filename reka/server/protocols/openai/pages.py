"""The query parameters of lists."""

from typing import Annotated, Literal

from pydantic import BaseModel, Field

_Cursor = Annotated[str | None, Field(max_length=1_024)]


class PageQuery(BaseModel):
    """Which page of a list is wanted."""

    limit: Annotated[int, Field(ge=1, le=100)] = 20
    order: Literal["asc", "desc"] = "desc"
    """By the time of creation."""
    after: _Cursor = None
    """Id of the object before the page."""
    before: _Cursor = None
    """Id of the object after the page."""


class StoreFilesQuery(PageQuery):
    """Which page of the files of a vector store is wanted."""

    filter: Literal["in_progress", "completed", "failed", "cancelled"] | None = None
    """Status that the files have."""


class FilesQuery(PageQuery):
    """Which page of the files of an owner is wanted."""

    limit: Annotated[int, Field(ge=1, le=10_000)] = 10_000
    purpose: Annotated[str | None, Field(max_length=100)] = None
