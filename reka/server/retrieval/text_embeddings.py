"""Embeddings of any texts, for programs that keep vectors of their own."""

from collections.abc import Sequence
from typing import Final

from reka.server.cancellation import check_cancelled
from reka.server.retrieval.embeddings import Embedder

MAX_TEXT_TOKENS: Final = 8_192
MAX_TOTAL_TOKENS: Final = 300_000
"""Tokens of a text, and of all texts of a request (OpenAI's)."""

_AT_ONCE: Final = 128
"""Texts embedded at a time; a request can be stopped between two such batches (ours)."""


class TextEmbeddings:
    """Embeds texts by a server's embedder."""

    def __init__(self, embedder: Embedder) -> None:
        """Embed by `embedder`."""
        self._embedder = embedder

    @property
    def model(self) -> str:
        """Name of the embedder."""
        return self._embedder.name

    def embed(self, texts: Sequence[str], model: str | None, dimensions: int | None) -> tuple[list[bytes], int]:
        """Embed texts.

        Args:
            texts: The texts.
            model: Name that the embedder must have; None for any.
            dimensions: Length that the vectors must have; None for any.

        Returns:
            The vectors as floats of four bytes, little-endian, and the number of tokens of all texts.

        Raises:
            LookupError: The server has no embedder, or another one.
            ValueError: The vectors have another length, or the texts have too many tokens.
            EmbeddingError: The embedder is on another machine, and did not answer.
        """
        self._check(model, dimensions)
        total = 0
        for index, text in enumerate(texts):
            check_cancelled()
            tokens = self._embedder.count_tokens(text)
            total += tokens
            if tokens > MAX_TEXT_TOKENS:
                raise ValueError(
                    f"input[{index}]: got {tokens} tokens, want at most {MAX_TEXT_TOKENS}: divide the text"
                )
            if total > MAX_TOTAL_TOKENS:
                raise ValueError(f"input: got more than {MAX_TOTAL_TOKENS} tokens: send fewer texts at a time")
        vectors: list[bytes] = []
        for start in range(0, len(texts), _AT_ONCE):
            check_cancelled()
            rows = self._embedder.embed(texts[start : start + _AT_ONCE])
            vectors += [row.astype("<f4").tobytes() for row in rows]
        return vectors, total

    def _check(self, model: str | None, dimensions: int | None) -> None:
        if not self._embedder.dimensions:
            raise LookupError(
                "model: this server has no embedder: install wordllama beside it, or set REKA_SERVER_EMBEDDER"
            )
        if model not in {None, self.model}:
            raise LookupError(
                f"model: got {model!r}, and this server embeds by {self.model!r}: vectors of two models cannot be "
                "compared, so name that one"
            )
        if dimensions not in {None, self._embedder.dimensions}:
            raise ValueError(
                f"dimensions: got {dimensions}, and vectors of {self.model!r} have {self._embedder.dimensions}: leave "
                "it out"
            )
