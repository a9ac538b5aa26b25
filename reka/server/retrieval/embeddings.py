"""What an embedder is; those there are lie in `embedders`."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Vectors: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]

NO_EMBEDDER: Final = "none"
"""Name of the embedder of datasets that have no vectors."""

UPSTREAM: Final = "upstream"
"""What the names of embedders on another server begin with."""

_TOKEN: Final = re.compile(r"\w{1,6}|[^\w\s]")


class EmbeddingError(Exception):
    """An embedder on another machine did not answer, or answered with no vectors."""


class Embedder(Protocol):
    """Embeds texts as vectors whose dot product is the similarity of the texts. Safe to share between threads.

    One that a Ray cluster is to use can be pickled, as its settings alone.
    """

    @property
    def name(self) -> str:
        """The name that datasets record: vectors of the same name can be compared."""
        ...

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """Embed texts.

        Returns:
            An array of shape (len(texts), dimensions): a vector of unit length per text, zero for a text without
            tokens.

        Raises:
            EmbeddingError: The embedder is on another machine, and did not answer.
        """
        ...

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text, by this embedder's tokenizer."""
        ...


class NoEmbedder:
    """Embeds nothing: what has its vectors is found by words alone."""

    def __init__(self, name: str = NO_EMBEDDER, dimensions: int = 0) -> None:
        """Stand for the embedder of this name, whose vectors have this length."""
        self.name = name
        self.dimensions = dimensions

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """Return vectors of zeros."""
        import numpy as np

        return np.zeros((len(texts), self.dimensions), dtype=np.float32)

    def count_tokens(self, text: str) -> int:
        """Count about as many tokens as the tokenizers of language models do."""
        return approximate_tokens(text)


def approximate_tokens(text: str) -> int:
    """Count the tokens of a text where there is no tokenizer: a word counts as one for each six letters."""
    return len(_TOKEN.findall(text))


def unit_vectors(raw: Any) -> "Vectors":
    """Scale the rows of an array to unit length; a row of zeros stays as it is."""
    import numpy as np

    lengths = np.linalg.norm(raw, axis=1, keepdims=True)
    vectors = np.zeros(raw.shape, dtype=np.float32)
    np.divide(raw, lengths, out=vectors, where=lengths > 0)
    return vectors


def encodable(text: str) -> str:
    """Replace lone surrogates, which have no UTF-8, as tokenizers need it."""
    return text.encode("utf-8", "replace").decode("utf-8")
