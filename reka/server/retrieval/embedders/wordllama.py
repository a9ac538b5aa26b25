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
    """Averages static token vectors: 2,500 chunks a second on one core, with weights that ship in the wheel.

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

        if not texts:
            return np.zeros((0, self.dimensions), dtype=np.float32)
        # Normalised here: the library divides by zero for a text without tokens, and warns.
        return unit_vectors(self._get_model().embed([encodable(text) for text in texts], norm=False))

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text, by the tokenizer that the weights were trained with."""
        return sum(self._get_model().tokenize([encodable(text)])[0].attention_mask) if text else 0

    def _get_model(self) -> Any:
        with self._lock:
            if self._model is None:
                wordllama = _import_wordllama()
                # The loader looks for its tokenizer in a folder beside the one where it ships, and downloads it if it
                # is missing. With the package itself as the cache it finds everything.
                self._model = wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
            return self._model


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
