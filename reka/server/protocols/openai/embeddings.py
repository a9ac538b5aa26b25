"""The request body and the response of embeddings."""

import base64
import struct
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, WithJsonSchema
from pydantic_core import PydanticCustomError

from reka.server.protocols.documents import TEXT, StrictBody, as_texts

MAX_INPUTS: Final = 2_048
"""Texts of a request (OpenAI's)."""

MAX_INPUT_CHARS: Final = 100_000
"""Characters of a text, whose tokens are counted then (ours)."""


def _as_texts(value: Any) -> Any:
    texts = as_texts(value)
    if any(isinstance(one, int | list) for one in texts):
        problem = (
            "input: got tokens, want texts: this server's models have other tokens than OpenAI's; LangChain's "
            "OpenAIEmbeddings sends texts with check_embedding_ctx_length=False"
        )
        raise PydanticCustomError("request", "{problem}", {"problem": problem})
    return texts


class EmbeddingsBody(StrictBody):
    """Body of `POST /v1/embeddings`."""

    input: Annotated[
        list[Annotated[str, Field(min_length=1, max_length=MAX_INPUT_CHARS), TEXT]],
        Field(min_length=1, max_length=MAX_INPUTS),
        BeforeValidator(_as_texts),
        WithJsonSchema(
            {
                "anyOf": [
                    {"type": "string", "minLength": 1},
                    {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1},
                ]
            }
        ),
    ]
    """A text, or several."""
    model: Annotated[str, Field(max_length=255)] | None = None
    """Name of the server's embedder; null for that one."""
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: Annotated[int, Field(ge=1)] | None = None
    """Length of the vectors, which must be the embedder's own; null for that."""
    user: str | None = None


def embeddings_response(model: str, vectors: Sequence[bytes], tokens: int, *, as_base64: bool) -> dict[str, Any]:
    """Write embeddings in OpenAI's form.

    Args:
        model: Name of the embedder.
        vectors: A vector for each text, as floats of four bytes, little-endian.
        tokens: Number of tokens of all texts.
        as_base64: Whether vectors are written as base64 of these bytes, in place of numbers.
    """
    return {
        "object": "list",
        "model": model,
        "data": [
            {
                "object": "embedding",
                "index": index,
                "embedding": base64.b64encode(vector).decode() if as_base64 else _numbers(vector),
            }
            for index, vector in enumerate(vectors)
        ],
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _numbers(vector: bytes) -> list[float]:
    return list(struct.unpack(f"<{len(vector) // 4}f", vector))
