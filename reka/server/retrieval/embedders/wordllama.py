"""WordLlama: static token vectors, with weights in its wheel, which some systems lack."""

import logging
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from reka.server.retrieval.embeddings import encodable, unit_vectors

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors

WORDLLAMA: Final = "wordllama"


class WordLlamaEmbedder:
    """Averages static token vectors: 10,000 short chunks a second on one core, with weights that ship in the wheel.

    The weights are loaded at the first use: a server that only lists datasets needs none.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle no weights: a copy loads its own."""
        return WordLlamaEmbedder, ()

    @property
    def name(self) -> str:
        """`wordllama`."""
        return WORDLLAMA

    @property
    def dimensions(self) -> int:
        """256, the size of the weights in the wheel."""
        return 256

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """Embed texts; see `Embedder.embed`."""
        import numpy as np

        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        if not texts:
            return vectors
        model = self._get_model()
        # Averaged here: the library's own `embed` takes nearly twice the time, as it pads texts to the longest one.
        for vector, ids in zip(vectors, _token_ids(model, texts), strict=True):
            if ids:
                vector[:] = model.embedding.take(ids, axis=0, mode="clip").mean(axis=0)
        return unit_vectors(vectors)

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text, by the tokenizer that the weights were trained with."""
        return len(_token_ids(self._get_model(), [text])[0]) if text else 0

    def _get_model(self) -> Any:
        with self._lock:
            if self._model is None:
                wordllama = _import_wordllama()
                # The loader looks for its tokenizer in a folder beside the one where it ships, and downloads it if it
                # is missing. With the package itself as the cache it finds everything.
                self._model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
                self._model.tokenizer.no_padding()
            return self._model


def _token_ids(model: Any, texts: Sequence[str]) -> list[list[int]]:
    """Return the tokens of each text."""
    encoded = model.tokenizer.encode_batch_fast([encodable(text) for text in texts], add_special_tokens=False)
    return [one.ids for one in encoded]


def _import_wordllama() -> Any:
    """Import the library without its side effect on logging."""
    # On import it calls logging.basicConfig(level=INFO), after which a program that never configured logging prints
    # the INFO lines of all its libraries. So the root logger is restored.
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    import wordllama

    for handler in [handler for handler in root.handlers if handler not in handlers]:
        root.removeHandler(handler)
    root.setLevel(level)
    return wordllama
