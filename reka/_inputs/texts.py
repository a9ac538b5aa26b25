"""Texts to embed: checked, and in batches of bounded size."""

from collections.abc import Iterable, Mapping

from reka import config
from reka._protocol.checks import json_kind, require_utf8
from reka.errors import InvalidArgumentError


def embedding_batches(texts: object) -> list[list[str]]:
    """Check texts, and divide them into as many as one request takes.

    Raises:
        InvalidArgumentError: One of them is blank, or no text that UTF-8 can write.
    """
    if isinstance(texts, str | bytes | Mapping) or not isinstance(texts, Iterable):
        raise InvalidArgumentError(f"texts: got {json_kind(texts)}, want a list of texts")
    batches: list[list[str]] = []
    size = 0
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise InvalidArgumentError(f"texts[{place}]: got {json_kind(text)}, want a text")
        if not text.strip():
            raise InvalidArgumentError(f"texts[{place}]: got a blank text, which has no embedding: leave it out")
        require_utf8(text, f"texts[{place}]")
        size += len(text)
        if not batches or size > config.EMBEDDED_CHARS or len(batches[-1]) == config.EMBEDDED_TEXTS:
            batches.append([])
            size = len(text)
        batches[-1].append(text)
    return batches
