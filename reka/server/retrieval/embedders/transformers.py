"""Models of sentence-transformers that are on this machine."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors

TRANSFORMERS: Final = "sentence-transformers"


class TransformersEmbedder:
    """Embeds by a model of sentence-transformers. It is loaded at the first use, and never downloaded."""

    def __init__(self, model: str) -> None:
        """Choose a model.

        Args:
            model: Its folder, or the name of one that has been downloaded before.
        """
        self._name = model
        self._lock = threading.Lock()
        self._model: Any = None

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
        return int(self.embed(["a"]).shape[1])

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """Embed texts; see `Embedder.embed`."""
        import numpy as np

        model = self._get_model()
        vectors = model.encode(list(texts), normalize_embeddings=True, convert_to_numpy=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text, by the model's tokenizer."""
        return len(self._get_model().tokenizer.encode(text, add_special_tokens=False)) if text else 0

    def _get_model(self) -> Any:
        with self._lock:
            if self._model is None:
                # An extra of nobody: who wants it installs it.
                from sentence_transformers import SentenceTransformer  # pyright: ignore[reportMissingImports]  # see above

                self._model = SentenceTransformer(self._name, local_files_only=True)
            return self._model
