"""Error bodies, in the form of the generation that was asked."""

from collections.abc import Sequence
from typing import Any, Final

from reka._protocol.errors import type_of_status

CLIENT_GONE: Final = 499
"""Status of a request whose client has gone before it was answered: nobody reads it, and it is counted (nginx's)."""


def is_openai(path: str) -> bool:
    """Whether a path is of the generation that has OpenAI's errors: all of `/v1` but the one of `reka-api` 3."""
    return path.startswith("/v1/") and path != "/v1/chat"


def error_body(path: str, status: int, detail: str | Sequence[dict[str, Any]], code: str | None = None) -> Any:
    """Write an error for who asked at `path`.

    Args:
        path: Of the request.
        status: HTTP status of the answer.
        detail: What happened, or a list of faults as FastAPI's `{"loc", "msg", "type"}`.
        code: The error's own name, if it has one.
    """
    if not is_openai(path):
        return {"detail": detail} if code is None else {"detail": detail, "code": code}
    return openai_error(status, detail if isinstance(detail, str) else "; ".join(map(_said, detail)), code)


def openai_error(status: int, message: str, code: str | None = None) -> dict[str, Any]:
    """Write an error as OpenAI's API and the live host do."""
    return {"error": {"message": message, "type": type_of_status(status), "code": code, "param": None}}


def _said(fault: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in fault["loc"] if part != "body")
    # Faults that our own validators find name their place themselves.
    return fault["msg"] if fault["type"] == "request" or not place else f"{place}: {fault['msg']}"
