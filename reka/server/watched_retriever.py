"""A retriever whose searches are timed, are spans, and are in the record of the request that they are for."""

import time

from reka._protocol.filters import Filter
from reka.server.retrieval.index import Index, Mode
from reka.server.storage.datasets import Datasets
from reka.server.storage.document_store import DocumentStore
from reka.server.storage.jobs import Jobs
from reka.server.storage.retriever import Passage, Retriever
from reka.server.telemetry.metrics import Metrics
from reka.server.telemetry.request_record import current_record
from reka.server.telemetry.spans import retrieval_span


class WatchedRetriever(Retriever):
    """Searches the datasets of one server."""

    def __init__(
        self,
        datasets: Datasets,
        documents: DocumentStore,
        jobs: Jobs,
        index: Index,
        metrics: Metrics,
        *,
        with_prompts: bool,
    ) -> None:
        """Search as `Retriever` does, have `metrics` measure it, and have queries be prompts if that is wanted."""
        super().__init__(datasets, documents, jobs, index)
        self._metrics, self._with_prompts = metrics, with_prompts

    def retrieve(
        self, owner: str, name: str, query: str, k: int, condition: Filter | None = None, mode: Mode = "hybrid"
    ) -> list[Passage]:
        """Retrieve the `k` best chunks of a dataset; see `Retriever.retrieve`."""
        started = time.monotonic()
        with retrieval_span(name, query, k) as found:
            passages = super().retrieve(owner, name, query, k, condition, mode)
            found += [(passage.id, passage.hit.score) for passage in passages]
        self._metrics.record_retrieval(mode, time.monotonic() - started, len(passages))
        if record := current_record():
            record.chunks = len(passages)
            if self._with_prompts:
                record.prompt = record.prompt or query
        return passages
