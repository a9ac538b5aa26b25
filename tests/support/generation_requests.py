"""Generation requests with defaults, for tests of the backends."""

from typing import Any, Protocol

from reka._protocol.media import part_of_url
from reka.server.generation.types import GenerationRequest


class Ask(Protocol):
    """Makes a request of texts, the user's and the assistant's in turn, and of the fields that a test sets."""

    def __call__(self, *texts: str, **fields: Any) -> GenerationRequest: ...


def ask(*texts: str, **fields: Any) -> GenerationRequest:
    """Make a request; see `Ask`. A field `media_url` becomes the first message's media."""
    messages: list[dict[str, Any]] = [
        {"role": "assistant" if index % 2 else "user", "content": text} for index, text in enumerate(texts)
    ]
    if "media_url" in fields:
        kind, url = part_of_url(fields.pop("media_url"))
        messages[0]["content"] = [{"type": kind, kind: {"url": url}}, {"type": "text", "text": messages[0]["content"]}]
    return GenerationRequest(messages=messages, **{"model": "reka-flash", **fields})
