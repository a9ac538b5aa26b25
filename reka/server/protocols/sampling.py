"""What a request may ask of an answer, whichever generation of the API it is written in: types with their limits."""

from typing import Annotated, Any, Final, TypeAlias

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from reka._protocol.sampling import PARAMETERS

MAX_STOP_WORDS: Final = 1_000
"""Stop words in a request (ours)."""


def _limits(name: str) -> Any:
    """A parameter's limits, as pydantic and the API's description have them."""
    return Field(ge=PARAMETERS[name].least, le=PARAMETERS[name].most)


def _not_empty(words: list[str]) -> list[str]:
    if not all(words):
        raise PydanticCustomError("stop_words", "an empty stop word would end every answer before it begins")
    return words


TokenLimit: TypeAlias = Annotated[int, _limits("max_tokens")]
Temperature: TypeAlias = Annotated[float, _limits("temperature")]
Seed: TypeAlias = Annotated[int, _limits("seed")]
TopK: TypeAlias = Annotated[int, _limits("top_k")]
TopP: TypeAlias = Annotated[float, _limits("top_p")]
Penalty: TypeAlias = Annotated[float, _limits("frequency_penalty")]
LengthPenalty: TypeAlias = Annotated[float, _limits("length_penalty")]
StopWords: TypeAlias = Annotated[list[str], Field(max_length=MAX_STOP_WORDS), AfterValidator(_not_empty)]
Chunks: TypeAlias = Annotated[int, _limits("retrieval_top_k")]
"""How many chunks come back: this server's own parameter, `retrieval_top_k`."""
