"""What a request may ask of an answer, whichever generation of the API it is written in: types with their limits."""

from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

_SEED: Final = 2**63


def _not_empty(words: list[str]) -> list[str]:
    if not all(words):
        raise PydanticCustomError("stop_words", "an empty stop word would end every answer before it begins")
    return words


TokenLimit: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]
Temperature: TypeAlias = Annotated[float, Field(ge=0, le=2)]
Seed: TypeAlias = Annotated[int, Field(ge=-_SEED, lt=_SEED)]
TopK: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]
TopP: TypeAlias = Annotated[float, Field(gt=0, le=1)]
Penalty: TypeAlias = Annotated[float, Field(ge=-2, le=2)]
LengthPenalty: TypeAlias = Annotated[float, Field(ge=0, le=10)]
StopWords: TypeAlias = Annotated[list[str], Field(max_length=64), AfterValidator(_not_empty)]
Chunks: TypeAlias = Annotated[int, Field(ge=1, le=100)]
"""How many chunks come back: this server's own parameter, `retrieval_top_k`."""
