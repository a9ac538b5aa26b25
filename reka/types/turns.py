"""Turns of a conversation: plain dicts, as the documented API defines them."""

from typing import Literal, TypeAlias, TypedDict

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
    """A turn of the model. A turn returned by `chat` can be appended to a history unchanged."""

    retrieved_chunks: list[RetrievedChunk]
    """Retrieved chunks, best first; present with a `retrieval_dataset`. Not sent back to the server."""


Turn: TypeAlias = HumanTurn | ModelTurn
