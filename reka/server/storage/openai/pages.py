"""Pages of lists in OpenAI's form, and what else its objects share."""

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal, Protocol, TypeVar

from sqlalchemy import Select, tuple_
from sqlalchemy.orm import InstrumentedAttribute, Session

T = TypeVar("T")


class PageQuery(Protocol):
    """Which page of a list to return."""

    @property
    def limit(self) -> int:
        """Maximum number of objects."""
        ...

    @property
    def order(self) -> Literal["asc", "desc"]:
        """By the time of creation."""
        ...

    @property
    def after(self) -> str | None:
        """Id of the object before the page; None for the first page."""
        ...

    @property
    def before(self) -> str | None:
        """Id of the object after the page; None for any."""
        ...


def rows_of_page(
    session: Session,
    rows: "Select[T]",
    keys: Sequence["InstrumentedAttribute[Any]"],
    query: PageQuery,
    place_of: Callable[[str], Sequence[Any]],
) -> tuple[list[T], bool]:
    """Read one page of rows.

    Args:
        session: The transaction.
        rows: Selects all rows of the list.
        keys: The columns by which the list is sorted, unique together.
        query: Which page.
        place_of: Returns the values of the keys of an object by its id; it raises an error if there is none.

    Returns:
        The rows, and whether there are more in their direction.
    """
    is_backward = query.before is not None and query.after is None
    is_ascending = (query.order == "asc") != is_backward
    place = tuple_(*keys)
    if query.after is not None:
        after = tuple_(*place_of(query.after))
        rows = rows.where(place > after if query.order == "asc" else place < after)
    if query.before is not None:
        before = tuple_(*place_of(query.before))
        rows = rows.where(place < before if query.order == "asc" else place > before)
    order = [key.asc() if is_ascending else key.desc() for key in keys]
    found = list(session.scalars(rows.order_by(*order).limit(query.limit + 1)))
    page, has_more = found[: query.limit], len(found) > query.limit
    return (page[::-1] if is_backward else page), has_more


def page_object(data: list[dict[str, Any]], *, has_more: bool) -> dict[str, Any]:
    """Write a page in OpenAI's form."""
    return {
        "object": "list",
        "data": data,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
        "has_more": has_more,
    }


def unix_time(created: str) -> int:
    """Convert a time as `database.now` writes it to Unix time in seconds."""
    return int(datetime.fromisoformat(created.replace("Z", "+00:00")).timestamp())


def current_time() -> int:
    """Return the current Unix time in seconds."""
    return int(time.time())
