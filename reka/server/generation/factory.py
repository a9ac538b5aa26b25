"""The choice of a server's chat backend."""

from reka.server.generation.concurrency import ConcurrencyLimiter
from reka.server.generation.types import ChatBackend
from reka.server.retrieval.embeddings import Embedder
from reka.server.settings import Settings
from reka.server.telemetry.metrics import Metrics


def make_backend(settings: Settings, embedder: Embedder, limiter: ConcurrencyLimiter, metrics: Metrics) -> ChatBackend:
    """Create the chat backend that the settings select.

    Args:
        settings: The upstream and its options; without an upstream the backend is extractive.
        embedder: Compares texts, and counts tokens.
        limiter: Limits concurrent requests to an upstream.
        metrics: Counts requests to an upstream.

    Raises:
        ValueError: `upstream` is not an address, or one of its options is set without it.
    """
    # Imported here, because each backend has dependencies that the other does not need.
    if settings.upstream is None:
        if settings.upstream_model is not None or settings.upstream_key is not None:
            raise ValueError("upstream_model and upstream_key_env need an upstream: set upstream to its address too")
        from reka.server.generation.extractive import ExtractiveBackend

        return ExtractiveBackend(embedder)
    from reka.server.generation.upstream.backend import UpstreamBackend

    return UpstreamBackend(
        settings.upstream,
        model=settings.upstream_model,
        key=settings.upstream_key,
        form=settings.upstream_api,
        count_tokens=embedder.count_tokens,
        limiter=limiter,
        retries=settings.upstream_retries,
        connect_timeout=settings.upstream_connect,
        read_timeout=settings.upstream_silence,
        metrics=metrics,
    )
