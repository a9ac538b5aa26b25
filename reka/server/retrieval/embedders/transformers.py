"""Models of sentence-transformers that are on this machine."""

import threading
from collections.abc import Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Final, NamedTuple

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors

TRANSFORMERS: Final = "sentence-transformers"


class _Loaded(NamedTuple):
    model: Any
    counter: Any
    """A tokenizer of its own: one counts whole texts, the model's cuts them, and whether it does is an attribute of it
    that each call sets, in whatever thread."""
    dimensions: int


class TransformersEmbedder:
    """Embeds by a model of sentence-transformers. It is loaded at the first use, and never downloaded."""

    def __init__(self, model: str) -> None:
        """Choose a model.

        Args:
            model: Its folder, or the name of one that has been downloaded before.
        """
        self._name = model
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the model's name: a copy loads it from its own disk."""
        return TransformersEmbedder, (self._name,)

    @property
    def name(self) -> str:
        """`sentence-transformers:` and the model."""
        return f"{TRANSFORMERS}:{self._name}"

    @property
    def dimensions(self) -> int:
        """Size of the model's vectors."""
        return self._load().dimensions

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """Embed texts; see `Embedder.embed`."""
        import numpy as np

        return np.asarray(_encode(self._load().model, texts), dtype=np.float32)

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text, by the model's tokenizer."""
        return _count(self._load().counter, text) if text else 0

    def _load(self) -> _Loaded:
        with self._lock:
            if self._loaded is None:
                # An extra of nobody: who wants it installs it.
                from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]  # see above

                model = SentenceTransformer(self._name, local_files_only=True)
                counter = deepcopy(model.tokenizer)
                _count(counter, "a")  # after the first call each tokenizer is as all others want it
                self._loaded = _Loaded(model, counter, int(_encode(model, ["a"]).shape[1]))
            return self._loaded


def _encode(model: Any, texts: Sequence[str]) -> Any:
    return model.encode(list(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)


def _count(tokenizer: Any, text: str) -> int:
    return len(tokenizer.encode(text, add_special_tokens=False))
