"""Embeddings: what their bodies look like, both ways."""

import base64
import binascii
import struct
from collections.abc import Mapping, Sequence
from typing import Any, Final

from reka._wire.documented import json_body
from reka._wire.json_reply import read_json
from reka._wire.reply import Reply, unexpected
from reka._wire.shapes import INTEGER, any_of, list_of, object_with

_WANTED: Final = "an embedding for each text"
_ANSWER: Final = object_with(data=list_of(object_with(index=INTEGER, embedding=any_of(list, str))))
_FLOAT_BYTES: Final = 4


def embeddings_body(texts: Sequence[str], model: str | None) -> bytes:
    """Write the body of a request. Vectors come back as base64, a quarter of what numbers take, where that is known."""
    body: dict[str, object] = {"input": list(texts), "encoding_format": "base64"}
    if model is not None:
        body["model"] = model
    return json_body(body)


def read_embeddings(reply: Reply, count: int) -> list[list[float]]:
    """Read so many vectors, in the order of their texts.

    Raises:
        UnexpectedResponseError: They are fewer or more, or no vectors.
    """
    answer: Mapping[str, Any] = read_json(reply, _ANSWER, _WANTED)
    items = sorted(answer["data"], key=lambda item: int(item["index"]))
    if [item["index"] for item in items] != list(range(count)):
        raise unexpected(reply, _WANTED, f"{len(items)} of {count}")
    try:
        return [_numbers(item["embedding"]) for item in items]
    except (TypeError, ValueError, binascii.Error, struct.error) as error:
        raise unexpected(reply, _WANTED, str(error)) from None


def _numbers(embedding: str | list[Any]) -> list[float]:
    if isinstance(embedding, list):
        return [float(number) for number in embedding]
    packed = base64.b64decode(embedding, validate=True)
    return list(struct.unpack(f"<{len(packed) // _FLOAT_BYTES}f", packed))
