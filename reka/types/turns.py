"""Turns of a conversation: plain dicts, as the documented API defines them."""

from typing import Literal, TypeAlias, TypedDict

from reka.types.retrieval import RetrievedChunk


class _HumanTurn(TypedDict):
    type: Literal["human"]
    text: str


class HumanTurn(_HumanTurn, total=False):
    """What the user says."""

    media_url: str
    """An http(s) or `data:` URL of an image, a video, audio or a PDF; in the first turn only."""


class _ModelTurn(TypedDict):
    type: Literal["model"]
    text: str


class ModelTurn(_ModelTurn, total=False):
    """What the model says. One that `chat` returned may go back into a history as it is."""

    retrieved_chunks: list[RetrievedChunk]
    """What was retrieved for the answer, best first; there if a `retrieval_dataset` was given. It is not sent back."""


Turn: TypeAlias = HumanTurn | ModelTurn
