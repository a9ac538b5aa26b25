"""Turns of a conversation: plain dicts, as the documented API defines them."""

from typing import Any, Literal, TypeAlias, TypedDict

from reka.types.retrieval import RetrievedChunk


class _HumanTurn(TypedDict):
    type: Literal["human"]
    text: str


class HumanTurn(_HumanTurn, total=False):
    """A turn of the user."""

    media_url: str
    """An http(s) or `data:` URL of an image, a video, audio or a PDF; in the first turn only."""


class _ModelTurn(TypedDict):
    type: Literal["model"]
    text: str


class ModelTurn(_ModelTurn, total=False):
    """A turn of the model. A turn returned by `chat` can be appended to a history unchanged.

    It has `type`, `text` and every other field that the server sent; only `type` and `text` are sent back.
    """

    retrieved_chunks: list[RetrievedChunk]
    """Retrieved chunks, best first; present with a `retrieval_dataset`."""

    finish_reason: str
    """As `ChatCompletion.finish_reason`; absent if the server sent none."""

    usage: dict[str, Any]
    """Token counts `input_tokens` and `output_tokens`, beside the server's own names; absent if it sent none."""

    metadata: dict[str, Any]
    """Token counts of older servers, `input_tokens` and `generated_tokens`; absent if the server sent none."""


Turn: TypeAlias = HumanTurn | ModelTurn
