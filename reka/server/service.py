"""All parts of a server put together: what a request may ask for, without a word of HTTP."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from reka.server.errors import RefusedError
from reka.server.generation.concurrency import ConcurrencyLimiter
from reka.server.generation.factory import make_backend
from reka.server.generation.types import ChatBackend, GenerationRequest, Snippet
from reka.server.ingest.worker import Worker
from reka.server.metrics import Metrics
from reka.server.retrieval.embeddings import Embedder, WordLlamaEmbedder
from reka.server.retrieval.index import Index
from reka.server.settings import Settings
from reka.server.storage.api_keys import KeyRing
from reka.server.storage.data_dir import DataFolder
from reka.server.storage.database import Database, sqlite_url
from reka.server.storage.datasets import Datasets
from reka.server.storage.jobs import Jobs

FEATURES: Final = (
    "chat",
    "v1_chat",
    "v1_completions",
    "streaming",
    "models",
    "datasets",
    "retrieval",
    "retrieval_top_k",
    "v1_retrieval",
)
"""What every server can do; `retrieval_top_k` and `v1_retrieval` (datasets on both v1 endpoints) are this one's own."""

MODEL_FEATURES: Final = ("tools", "response_format")
"""What takes a language model."""


class ChatRequestBody(Protocol):
    """The checked body of a request, of whichever generation."""

    @property
    def model(self) -> str | None:
        """Name of the model to ask; None for the first one."""
        ...

    @property
    def retrieval_dataset(self) -> str | None:
        """Dataset to answer from."""
        ...

    @property
    def retrieval_top_k(self) -> int | None:
        """How many chunks of it; None for the server's own number."""
        ...

    def query(self) -> str:
        """What to look for in it."""
        ...

    def question(self, model: str, snippets: list[Snippet] | None) -> GenerationRequest:
        """The question for an answerer."""
        ...


class Service:
    """The parts of a running server. Made and ended by `run_service`."""

    def __init__(
        self,
        settings: Settings,
        database: Database,
        backend: ChatBackend | None = None,
        embedder: Embedder | None = None,
    ) -> None:
        """Put the parts together; nothing runs yet.

        Args:
            settings: Limits, and where things are.
            database: The record.
            backend: What answers questions; None for the one that the settings ask for.
            embedder: What compares texts; None for the built-in one. Not to be changed for a folder that has datasets.

        Raises:
            ValueError: The settings do not fit together.
        """
        self.settings = settings
        self.folder = DataFolder(settings.data_dir)
        embedder = embedder or WordLlamaEmbedder()
        self.limiter = ConcurrencyLimiter(
            settings.upstream_concurrency, settings.upstream_queue, settings.upstream_queue_wait
        )
        self.metrics = Metrics()
        self.backend: ChatBackend = backend or make_backend(settings, embedder, self.limiter, self.metrics)
        self.keys = KeyRing(database, accept_any=settings.is_loopback)
        self.jobs = Jobs(database)
        self._index = Index(self.folder.index, embedder)
        self.datasets = Datasets(database, self.folder, self._index, self.jobs, settings)
        self.worker = Worker(self.jobs, self.folder, self._index, settings.chunk_chars)
        self.metrics.watch_upstream(lambda: self.limiter.busy, lambda: self.limiter.waiting)
        self.metrics.watch_jobs(self.jobs.count_by_status)

    @property
    def models(self) -> tuple[str, ...]:
        """Names of the models that a chat may ask for."""
        return tuple(dict.fromkeys([*self.settings.models, *self.backend.model_names]))

    @property
    def features(self) -> tuple[str, ...]:
        """What a client may count on."""
        return FEATURES if self.backend.language_model is None else FEATURES + MODEL_FEATURES

    def model_named(self, name: str | None) -> str:
        """The model that a chat asks for; the first one if it names none.

        Raises:
            RefusedError: There is no such model.
        """
        if name is None:
            return self.models[0]
        if name not in self.models:
            raise RefusedError(f"There is no model {name[:100]!r}: this server has {', '.join(self.models)}")
        return name

    def build_request(self, owner: str, asked: "ChatRequestBody") -> GenerationRequest:
        """Make the question that a checked body asks, with what retrieval finds for it.

        Raises:
            NotFound: The owner has no such dataset.
            RefusedError: There is no such model, or the dataset is not prepared.
        """
        model = self.model_named(asked.model)
        snippets = None
        if asked.retrieval_dataset is not None:
            k = asked.retrieval_top_k or self.settings.retrieval_top_k
            snippets = self.retrieve(owner, asked.retrieval_dataset, asked.query(), k)
        return asked.question(model, snippets)

    def retrieve(self, owner: str, dataset: str, query: str, k: int) -> list[Snippet]:
        """Find the chunks of a dataset that fit a query best, best first.

        Raises:
            NotFound: The owner has no such dataset.
            RefusedError: It is not prepared for retrieval.
        """
        table = self.datasets.prepared_table(owner, dataset)
        try:
            hits = self._index.search(table, query, k)
        except Exception:
            # Deleted since: then this says so. Anything else is as bad as it looks.
            self.datasets.prepared_table(owner, dataset)
            raise
        return [Snippet(hit.text, hit.source, hit.score, hit.similarity) for hit in hits]


@contextmanager
def run_service(
    settings: Settings, backend: ChatBackend | None = None, embedder: Embedder | None = None
) -> Iterator[Service]:
    """Run a service: its data folder swept, its jobs at work. The folder must be locked by the caller.

    The arguments are those of `Service`.

    Raises:
        ValueError: The settings do not fit together.
    """
    with open_database(settings) as database:
        service = Service(settings, database, backend, embedder)
        service.datasets.sweep()
        service.worker.start()
        try:
            yield service
        finally:
            service.worker.stop()


@contextmanager
def open_database(settings: Settings) -> Iterator[Database]:
    """Open the record of a server, running or not, and close it.

    Raises:
        StartError: The data folder cannot be made.
    """
    folder = DataFolder(settings.data_dir)
    folder.make()
    database = Database(settings.database_url or sqlite_url(folder.database))
    try:
        yield database
    finally:
        database.close()
