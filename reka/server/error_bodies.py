"""Error bodies in the form of the endpoint's API."""

from collections.abc import Sequence
from typing import Any, Final

from reka._protocol.errors import type_of_status

CLIENT_GONE: Final = 499
"""Status of a request whose client disconnected before the response; only metrics show it (nginx's)."""

_OF_KEY: Final = "[key]"
"""Where pydantic has the fault of a key of an object: behind the key."""


def is_openai(path: str) -> bool:
    """Tell whether the endpoint at a path has OpenAI's error form: all of `/v1` except `/v1/chat`, of `reka-api` 3."""
    return path.startswith("/v1/") and path != "/v1/chat"


def error_body(path: str, status: int, detail: str | Sequence[dict[str, Any]], code: str | None = None) -> Any:
    """Build the body of an error response.

    Args:
        path: Path of the request.
        status: HTTP status of the response.
        detail: What happened, or a list of validation errors in FastAPI's form `{"loc", "msg", "type"}`.
        code: Error code; None if the error has none.
    """
    if not is_openai(path):
        return {"detail": detail} if code is None else {"detail": detail, "code": code}
    return openai_error(status, detail if isinstance(detail, str) else "; ".join(map(_describe, detail)), code)


def openai_error(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """Build an error body in the form of OpenAI's API and of Reka's host."""
    return {"error": {"message": message, "type": type_of_status(status), "code": code, "param": None}}


def _describe(error: dict[str, Any]) -> str:
    place = [str(part) for part in error["loc"] if part != "body"]
    if place[-1:] == [_OF_KEY]:
        *place, key = place[:-1]
        return f"{'.'.join(place)}: the key {key!r}: {error['msg']}"
    # The messages of our own validators contain the location already.
    return error["msg"] if error["type"] == "request" or not place else f"{'.'.join(place)}: {error['msg']}"
