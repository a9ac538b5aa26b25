"""What becomes of a dataset."""

import sys

if sys.version_info >= (3, 12):
    from typing import TypedDict
else:
    # pydantic, which reads answers by this type, refuses typing's own before Python 3.12.
    from typing_extensions import TypedDict


class DatasetResult(TypedDict):
    """What became of a dataset that was uploaded or deleted. Fields that the server adds are kept."""

    __pydantic_config__ = {"extra": "allow"}  # type: ignore[misc]  # noqa: RUF012  # how pydantic configures a TypedDict

    name: str
    """Its name as the server stores it."""

    ok: bool
    """Whether it worked."""

    info: str
    """More about it; may be empty."""
