"""A complete HTTP answer, and the JSON text in it."""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from reka._protocol.answers.json_text import parse_json
from reka.errors import UnexpectedResponseError


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
        given = self.headers.get("x-request-id")
        return given if given is None or given.isascii() else readable_text(given)


def is_event_stream(head: Reply) -> bool:
    """Whether a body comes as events; an error page or a whole answer does not, whatever was asked for."""
    content_type = head.headers.get("content-type", "").lower()
    return "json" not in content_type and "html" not in content_type


def readable_text(text: str) -> str:
    """Replace lone surrogates, which JSON can hold and UTF-8 cannot, by U+FFFD; those that pair up are joined."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def readable_json(text: str) -> Any:
    """Parse JSON, with lone surrogates replaced.

    Raises:
        ValueError: It is no JSON, or over a budget.
    """
    document = parse_json(text)
    if "\\ud" in text or "\\uD" in text:
        document = json.loads(readable_text(json.dumps(document, ensure_ascii=False)))
    return document


def unexpected(reply: Reply, wanted: str, reason: str) -> UnexpectedResponseError:
    """Make the error for an answer that is not what was wanted."""
    content_type = reply.headers.get("content-type", "no content type").split(";")[0]
    what = f"{len(reply.body)} bytes of {content_type}" if reply.body.strip() else "an empty answer"
    hint = "; is base_url the address of a Reka server?" if "json" not in content_type else ""
    return UnexpectedResponseError(
        f"{reply.request_line} gave {what}, want {wanted} ({reason}){hint}", reply.status, reply.request_id
    )
