"""A complete HTTP answer, and how its JSON is read."""

from collections.abc import Mapping
from typing import NamedTuple, TypeVar

from pydantic import TypeAdapter, ValidationError

from reka.errors import UnexpectedResponseError

T = TypeVar("T")


class Reply(NamedTuple):
    """A complete answer.

    Attributes:
        status: HTTP status.
        headers: Looked up without regard to case.
        body: Decoded from its content encoding.
        request_line: What it answers, such as `GET https://api.reka.ai/models`.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    request_line: str

    @property
    def request_id(self) -> str | None:
        """What the server calls the request."""
        return self.headers.get("x-request-id")


def is_event_stream(head: Reply) -> bool:
    """Whether a body comes as events; an error page or a whole answer does not, whatever was asked for."""
    content_type = head.headers.get("content-type", "").lower()
    return "json" not in content_type and "html" not in content_type


def read_json(reply: Reply, adapter: TypeAdapter[T], wanted: str) -> T:
    """Read the body as JSON of one shape.

    Args:
        reply: A successful answer.
        adapter: The shape.
        wanted: The shape in words, for the error.

    Raises:
        UnexpectedResponseError: It is no JSON, or of another shape.
    """
    try:
        return adapter.validate_json(reply.body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"]))
        reason = f"{place}: {first['msg']}" if place else first["msg"]
        raise unexpected(reply, wanted, reason) from None


def unexpected(reply: Reply, wanted: str, reason: str) -> UnexpectedResponseError:
    """Make the error for an answer that is not what was wanted."""
    content_type = reply.headers.get("content-type", "no content type").split(";")[0]
    what = f"{len(reply.body)} bytes of {content_type}" if reply.body.strip() else "an empty answer"
    hint = "; is base_url the address of a Reka server?" if "json" not in content_type else ""
    return UnexpectedResponseError(
        f"{reply.request_line} gave {what}, want {wanted} ({reason}){hint}", reply.status, reply.request_id
    )
