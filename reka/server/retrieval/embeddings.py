"""Texts to vectors: what an embedder is, and the one that needs nothing downloaded."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

if TYPE_CHECKING:
    import numpy as np

    Vectors: TypeAlias = np.ndarray[Any, np.dtype[np.float32]]


class Embedder(Protocol):
    """Turns texts into vectors whose dot product says how alike the texts are. Safe to share between threads."""

    @property
    def dimensions(self) -> int:
        """Length of a vector."""
        ...

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """The vectors of `texts`: shape (len(texts), dimensions), unit length, zero where a text has no tokens."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens `text` has for this embedder."""
        ...


class WordLlamaEmbedder:
    """Static token vectors, averaged: 2,500 chunks a second on one core, and the weights lie inside the wheel.

    The weights are read at the first use, because a server that only lists datasets needs none.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Any = None

    @property
    def dimensions(self) -> int:
        """256, the size of the weights that the wheel carries."""
        return 256

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """The vectors of `texts`, as `Embedder.embed` says."""
        import numpy as np

        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        raw = self._loaded().embed(list(texts), norm=False)
        # The library's own normalisation divides by zero for a text without tokens and warns; so it is done here.
        lengths = np.linalg.norm(raw, axis=1, keepdims=True)
        vectors = np.zeros(raw.shape, dtype=np.float32)
        np.divide(raw, lengths, out=vectors, where=lengths > 0)
        return vectors

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` in the tokenizer that the weights were trained with."""
        return sum(self._loaded().tokenize([text])[0].attention_mask) if text else 0

    def _loaded(self) -> Any:
        with self._lock:
            if self._model is None:
                wordllama = _imported()
                # The loader looks for its tokenizer in a folder next to the one it ships in, and would then download
                # it; told that its own package is the cache, it finds everything there.
                self._model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
            return self._model


def _imported() -> Any:
    """Import the library, without what it does to the program's log."""
    # It calls logging.basicConfig(level=INFO) when imported, and from then on a program that never asked for a log
    # prints every INFO line of all its libraries. So the root logger is put back as it was.
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    import wordllama

    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
    root.setLevel(level)
    return wordllama
