"""Embeddings of an OpenAI-compatible server: `POST /v1/embeddings`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import requests

from reka._protocol.addresses import checked_key, http_address
from reka._protocol.retries import LONGEST_WAIT, RETRY_STATUSES, RetryPolicy, with_retries
from reka.server.retrieval.embeddings import UPSTREAM, EmbeddingError, approximate_tokens, unit_vectors
from reka.server.telemetry.request_record import current_record

if TYPE_CHECKING:
    from reka.server.retrieval.embeddings import Vectors

CONNECT_SECONDS, SILENT_SECONDS = 10, 60
"""Timeouts of a request in seconds (ours)."""

_RETRIES: Final = RetryPolicy(2, longest_retry_after=LONGEST_WAIT)


class UpstreamEmbedder:
    """Embeds by a model on another server."""

    def __init__(self, address: str, model: str, key: str | None = None) -> None:
        """Choose a server and a model; nothing is sent before the first use.

        Args:
            address: Base URL of an OpenAI-compatible API, with or without `/v1`.
            model: Name of the model.
            key: API key for that server; None if it needs none. It is sent nowhere else and never shown.

        Raises:
            InvalidArgumentError: `address` is not an address, or the key is not valid in an HTTP header.
        """
        url = address.strip().rstrip("/").removesuffix("/embeddings")
        wanted = "want the base URL of an OpenAI-compatible server, such as http://127.0.0.1:11434/v1"
        parts = http_address(url, "embedder_url", wanted)
        self.url: str = f"{url if parts.path.strip('/') else f'{parts.scheme}://{parts.netloc}/v1'}/embeddings"
        """Address of the endpoint."""
        self._key = checked_key(key, "embedder_key") if key else None
        self._model = model
        self._session = requests.Session()
        self._dimensions: int | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle server, model and key: a copy has connections of its own."""
        return UpstreamEmbedder, (self.url, self._model, self._key)

    @property
    def name(self) -> str:
        """`upstream:` and the model."""
        return f"{UPSTREAM}:{self._model}"

    @property
    def dimensions(self) -> int:
        """Size of the model's vectors: the first use asks for one."""
        if self._dimensions is None:
            self._dimensions = int(self.embed(["a"]).shape[1])
        return self._dimensions

    def embed(self, texts: Sequence[str]) -> "Vectors":
        """Embed texts; see `Embedder.embed`."""
        import numpy as np

        # A text without any character is refused by many servers.
        body = {"model": self._model, "input": [text if text.strip() else " ." for text in texts]}
        answer = with_retries(lambda: self._post(body), _next_wait)
        try:
            items = sorted(answer["data"], key=lambda item: item["index"])
            vectors = np.array([item["embedding"] for item in items], dtype=np.float32)
        except (KeyError, TypeError, ValueError):
            raise EmbeddingError(f"{self.url}: got no embeddings, want `data` with an `embedding` each") from None
        if vectors.ndim != 2 or len(vectors) != len(texts):  # rows and columns
            raise EmbeddingError(f"{self.url}: got embeddings of shape {vectors.shape}, want one of {len(texts)} texts")
        return unit_vectors(vectors)

    def count_tokens(self, text: str) -> int:
        """Count about as many tokens as the model does."""
        return approximate_tokens(text)

    def _post(self, body: Any) -> Any:
        record = current_record()
        try:
            # A redirect could lead the key elsewhere.
            response = self._session.post(
                self.url,
                json=body,
                headers=record.outgoing if record else None,
                auth=self._authorize,
                allow_redirects=False,
                timeout=(CONNECT_SECONDS, SILENT_SECONDS),
            )
            if response.status_code != requests.codes.ok:
                raise _StatusError(f"{self.url}: status {response.status_code}", response.status_code)
            return response.json()
        except requests.RequestException as error:
            raise _StatusError(f"{self.url}: {type(error).__name__}", 0) from None

    def _authorize(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        # As `auth`, so that no netrc puts another key in its place.
        if self._key is not None:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class _StatusError(EmbeddingError):
    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


def _next_wait(attempt: int, error: Exception) -> float | None:
    status = error.status if isinstance(error, _StatusError) else -1
    return _RETRIES.next_wait(attempt, None) if status == 0 or status in RETRY_STATUSES else None
