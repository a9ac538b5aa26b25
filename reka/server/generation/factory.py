"""Which answerer a server uses."""

from reka.server.generation.concurrency import ConcurrencyLimiter
from reka.server.generation.types import ChatBackend
from reka.server.metrics import Metrics
from reka.server.retrieval.embeddings import Embedder
from reka.server.settings import Settings


def make_backend(settings: Settings, embedder: Embedder, limiter: ConcurrencyLimiter, metrics: Metrics) -> ChatBackend:
    """Make the answerer that a server's settings ask for.

    Args:
        settings: The upstream and how to ask it; none means no language model.
        embedder: Compares and counts texts.
        limiter: Room for questions at once.
        metrics: Where questions to an upstream are counted.

    Raises:
        ValueError: `upstream` is no address, or a setting that belongs to one is given without it.
    """
    # Imported here: each answerer loads what the other has no use for.
    if settings.upstream is None:
        if settings.upstream_model is not None or settings.upstream_key is not None:
            raise ValueError("upstream_model and upstream_key belong to an upstream: give its address as upstream too")
        from reka.server.generation.extractive import ExtractiveBackend

        return ExtractiveBackend(embedder)
    from reka.server.generation.upstream.backend import UpstreamBackend

    return UpstreamBackend(
        settings.upstream,
        model=settings.upstream_model,
        key=settings.upstream_key,
        form=None if settings.upstream_api == "auto" else settings.upstream_api,
        count_tokens=embedder.count_tokens,
        limiter=limiter,
        retries=settings.upstream_retries,
        connect_timeout=settings.upstream_connect,
        read_timeout=settings.upstream_silence,
        metrics=metrics,
    )
