"""The service layer: everything that a request can do, independent of HTTP."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

from sqlalchemy.exc import SQLAlchemyError

from reka._protocol.constants import DOCUMENTS, RETRIEVAL_TOP_K, V1_RETRIEVAL
from reka._protocol.filters import Filter
from reka.server.errors import EmbedderUnavailableError, NotFoundError, RefusedError, StorageUnavailableError
from reka.server.generation.catalog import ModelCatalog
from reka.server.generation.concurrency import ConcurrencyLimiter
from reka.server.generation.factory import make_backend
from reka.server.generation.types import ChatBackend, GenerationRequest, Snippet
from reka.server.ingest.attempt import Tools
from reka.server.ingest.stored_figures import StoredFigures
from reka.server.ingest.sweep import Sweeper
from reka.server.ingest.texts import DocumentTexts
from reka.server.ingest.worker import Worker
from reka.server.key_limits import KeyLimits
from reka.server.retrieval.building.cluster import ClusterRows
from reka.server.retrieval.chunking import Chunk
from reka.server.retrieval.embedders.choice import make_embedder, quick_embedder
from reka.server.retrieval.embeddings import Embedder, EmbeddingError
from reka.server.retrieval.index import Index, Mode
from reka.server.retrieval.text_embeddings import TextEmbeddings
from reka.server.settings import Settings
from reka.server.storage.api_keys import KeyRing
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.database import Database
from reka.server.storage.dataset_files import DatasetFiles
from reka.server.storage.datasets import Datasets
from reka.server.storage.document_store import DocumentStore
from reka.server.storage.documents import Documents
from reka.server.storage.jobs import Jobs
from reka.server.storage.leases import Leases
from reka.server.storage.openai.files import Files
from reka.server.storage.openai.parts import make_parts
from reka.server.storage.openai.store_files import StoreFiles
from reka.server.storage.openai.stores import VectorStores
from reka.server.store.store import Store
from reka.server.telemetry.access_log import AccessLog
from reka.server.telemetry.metrics import Metrics, States
from reka.server.telemetry.request_record import current_record
from reka.server.watched_retriever import WatchedRetriever

logger: Final = logging.getLogger(__name__)

FEATURES: Final = (
    "chat",
    "v1_chat",
    "v1_completions",
    "streaming",
    "models",
    "datasets",
    "retrieval",
    RETRIEVAL_TOP_K,
    V1_RETRIEVAL,
    DOCUMENTS,
    "embeddings",
    "vector_stores",
)
"""Features of every server; the last five are extensions."""

MODEL_FEATURES: Final = ("tools", "response_format")
"""Features that require a language model."""


class ChatRequestBody(Protocol):
    """Protocol of the validated request bodies of all API generations."""

    @property
    def model(self) -> str | None:
        """Name of the model; None for the first one."""
        ...

    @property
    def retrieval_dataset(self) -> str | None:
        """Name of the dataset to retrieve from; None for no retrieval."""
        ...

    @property
    def retrieval_top_k(self) -> int | None:
        """Number of chunks to retrieve; None for the server's default."""
        ...

    @property
    def retrieval_filter(self) -> Filter | None:
        """Filter on the documents to retrieve from; None for all."""
        ...

    def query(self) -> str:
        """Return the retrieval query: the text of the last user message."""
        ...

    def to_generation_request(self, model: str, snippets: list[Snippet] | None) -> GenerationRequest:
        """Convert the body to a request for a chat backend.

        Args:
            model: Name of the model.
            snippets: The retrieved chunks; None if the body names no dataset.
        """
        ...


@dataclass(frozen=True, slots=True)
class Shares:
    """What the processes of one server have in common."""

    key_limits: KeyLimits
    metrics: Metrics


class Service:
    """The parts of a server. `lifecycle.run_service` creates, starts and stops them."""

    access_log: AccessLog | None = None
    """Where each request has a line; `run_service` opens it."""
    folder: DataFolder
    is_draining: bool
    limiter: ConcurrencyLimiter
    metrics: Metrics
    key_limits: KeyLimits
    models: ModelCatalog
    keys: KeyRing
    jobs: Jobs
    datasets: Datasets
    documents: Documents
    texts: DocumentTexts
    files: Files
    vector_stores: VectorStores
    store_files: StoreFiles
    sweeper: Sweeper
    worker: Worker

    def __init__(
        self,
        settings: Settings,
        database: Database,
        store: Store,
        backend: ChatBackend | None = None,
        embedder: Embedder | None = None,
        *,
        is_alone: bool = True,
        runs_jobs: bool = True,
        shares: Shares | None = None,
    ) -> None:
        """Create the parts without starting any.

        Args:
            settings: The server's settings.
            database: Stores datasets, jobs and keys.
            store: Stores files and tables.
            backend: Generates the responses of chats; None for the backend that the settings select.
            embedder: Embeds the chunks of new datasets; None for the embedder that the settings select.
            is_alone: Whether no other process uses the data.
            runs_jobs: Whether jobs are run in this process.
            shares: What the processes of the server have in common; None if it is one process.

        Raises:
            ValueError: The settings contradict each other.
        """
        self.settings = settings
        self.folder = DataFolder(settings.data_dir)
        self.storage = store
        embedder = embedder or embedder_of(settings)
        self.is_draining: bool = False
        """Whether the server is about to end, and requests should go to another one."""
        shares = shares or Shares(KeyLimits(settings), Metrics())
        self.metrics, self.key_limits = shares.metrics, shares.key_limits
        self.limiter = _limiter_of(settings, self.metrics)
        self.backend: ChatBackend = backend or make_backend(
            settings, quick_embedder(embedder), self.limiter, self.metrics
        )
        self.models = ModelCatalog(settings, self.backend)
        self.keys = KeyRing(database, accept_any=settings.is_loopback and not settings.require_key)
        leases = Leases(database, settings.lease_seconds)
        self.jobs = Jobs(database, leases)
        self._index = Index(store.tables, embedder, settings.search_memory_bytes, row_maker=cluster_of(settings))
        self._text_embeddings = TextEmbeddings(embedder)
        self._files = DatasetFiles(database, store, settings.orphan_seconds)
        self.datasets = Datasets(database, self._files, self._index, self.jobs, leases, settings)
        self.documents = Documents(database, self.jobs, settings, self._index.describe_embedder)
        self._store = DocumentStore(database, leases)
        self._retriever = WatchedRetriever(
            self.datasets, self._store, self.jobs, self._index, self.metrics, with_prompts=settings.access_log_prompts
        )
        self.texts = DocumentTexts(self.datasets, self._store, self._files)
        self.files, self.vector_stores, self.store_files = make_parts(
            database, self.datasets, self.documents, self.jobs, self._retriever, self.texts.of_one, settings
        )
        self.sweeper = Sweeper(
            database, store, self._index, self.datasets, leases, self._files.arrivals, settings.orphan_seconds
        )
        parts = (self.jobs, self.datasets, self._files, self._store, leases, self.sweeper, self._index)
        self.worker = Worker(Tools(*parts, settings.chunk_chars), is_alone=is_alone)
        self.is_worker_running: Callable[[], bool] | None = (lambda: self.worker.is_running) if runs_jobs else None
        """Tells whether what runs the jobs is at work; None if that is no part of this server."""
        self._stored_figures = StoredFigures(database)
        self._watch()

    def _watch(self) -> None:
        """Have the metrics read what the parts know."""
        watch, limiter = self.metrics.watch, self.limiter
        watch("reka_upstream_busy", "Requests in flight to the upstream.", lambda: limiter.running)
        watch("reka_upstream_waiting", "Requests waiting for a free slot.", lambda: limiter.waiting)
        states = {
            ("reka_worker_up", "Whether jobs are worked on."): self._is_worker_up,
            ("reka_index_complete", "Whether no table of the index is lost."): self.is_index_complete,
        }
        self.metrics.add(States(states))
        self.metrics.add(self._stored_figures)

    def _is_worker_up(self) -> bool | None:
        return None if self.is_worker_running is None else self.is_worker_running()

    @property
    def features(self) -> tuple[str, ...]:
        """Features of this server."""
        return FEATURES if self.backend.language_model is None else FEATURES + MODEL_FEATURES

    def begin(self, *, runs_jobs: bool) -> None:
        """Begin to count the jobs that end, and to work on them if that is done in this process."""
        self._stored_figures.start()
        if runs_jobs:
            self.worker.start()

    def drain(self) -> None:
        """Begin to end: the server is not ready from now on."""
        self.is_draining = True

    def is_index_complete(self) -> bool:
        """Tell whether no dataset's index is lost and not built anew yet, which begins when it is found."""
        try:
            self.sweeper.rebuild_lost()
            return not self.datasets.has_lost_table()
        except (SQLAlchemyError, StorageUnavailableError, OSError):
            return True  # nothing is known of it; that the database or the folder is away is found elsewhere

    def is_storage_usable(self) -> bool:
        """Tell whether the data folder and the store are there, and the disk has room; the log says what is wrong."""
        try:
            if self.folder.is_there() and self.folder.has_room():
                return self.storage.is_there()
        except OSError:
            pass
        logger.warning("not ready: the data folder %s is gone, read-only or on a full disk", self.folder.root)
        return False

    def build_request(self, owner: str, body: ChatRequestBody, model: str) -> GenerationRequest:
        """Convert a request body to a request for the chat backend, with the retrieved chunks.

        Args:
            owner: The owner of the dataset.
            body: The body.
            model: Name of the model, from `ModelCatalog.resolve`.

        Raises:
            NotFoundError: The owner has no such dataset.
            RefusedError: The dataset is not prepared for retrieval.
        """
        if record := current_record():
            record.model = model
            if self.settings.access_log_prompts:
                record.prompt = body.query()
        if body.retrieval_dataset is None:
            return body.to_generation_request(model, None)
        query = body.query()
        k = body.retrieval_top_k or self.settings.retrieval_top_k
        snippets = self.retrieve(owner, body.retrieval_dataset, query, k, body.retrieval_filter)
        request = body.to_generation_request(model, snippets)
        warnings = self._index.query_warnings(query)
        return replace(request, warnings=warnings) if warnings else request

    def retrieve(
        self, owner: str, dataset: str, query: str, k: int, condition: Filter | None = None, mode: Mode = "hybrid"
    ) -> list[Snippet]:
        """Retrieve the `k` chunks of a dataset that match a query best, best first; see `Retriever.retrieve`.

        Raises:
            NotFoundError: The owner has no such dataset.
            RefusedError: The dataset is not prepared for retrieval.
        """
        return [
            Snippet(
                text=passage.hit.text,
                source=passage.hit.source,
                score=passage.hit.score,
                similarity=passage.hit.similarity,
                id=passage.id,
                document_id=passage.document_id,
                metadata=passage.metadata,
                document_bytes=passage.document_bytes,
                position=passage.hit.position,
                context=passage.hit.context,
            )
            for passage in self._retriever.retrieve(owner, dataset, query, k, condition, mode)
        ]

    def embed(self, texts: Sequence[str], model: str | None, dimensions: int | None) -> tuple[str, list[bytes], int]:
        """Embed texts; see `TextEmbeddings.embed`.

        Returns:
            The embedder's name, the vectors, and the number of tokens.

        Raises:
            NotFoundError: The server has no embedder, or another one than `model`.
            RefusedError: The vectors have another length, or the texts have too many tokens.
            EmbedderUnavailableError: The embedder is on another machine, and does not answer.
        """
        try:
            vectors, tokens = self._text_embeddings.embed(texts, model, dimensions)
        except LookupError as error:
            raise NotFoundError(str(error), "model_not_found") from error
        except ValueError as error:
            raise RefusedError(str(error)) from error
        except EmbeddingError as error:
            logger.warning("cannot embed", exc_info=True)
            raise EmbedderUnavailableError("The server's embedder does not answer now: try again") from error
        return self._text_embeddings.model, vectors, tokens

    def chunks(self, owner: str, dataset: str, document_id: str, first: int, count: int) -> list[Chunk]:
        """Return chunks of a document as they are in the index; see `Retriever.chunks`.

        Raises:
            NotFoundError: The owner has no such dataset, or its index has no such document.
            RefusedError: The dataset is not prepared for retrieval.
        """
        return self._retriever.chunks(owner, dataset, document_id, first, count)

    def delete_expired(self) -> None:
        """Delete the files and the vector stores of all owners whose time has come."""
        self.files.delete_expired()
        self.vector_stores.delete_expired()


def _limiter_of(settings: Settings, metrics: Metrics) -> ConcurrencyLimiter:
    return ConcurrencyLimiter(
        settings.upstream_concurrency,
        settings.upstream_queue,
        settings.upstream_queue_wait,
        lambda: metrics.record_refusal("upstream_queue"),
    )


def embedder_of(settings: Settings) -> Embedder:
    """Make the embedder of new datasets.

    Raises:
        ValueError: It is not installed, or its settings are wrong.
    """
    if settings.embedder_url is None:
        return make_embedder(settings.embedder, settings.upstream, settings.upstream_key)
    return make_embedder(settings.embedder, settings.embedder_url, settings.embedder_key)


def cluster_of(settings: Settings) -> ClusterRows | None:
    """Return the cluster on which jobs embed chunks; None if they do it themselves."""
    return (
        None if settings.ray is None else ClusterRows(settings.ray, settings.ray_after_seconds, gpus=settings.ray_gpus)
    )
