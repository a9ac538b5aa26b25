"""A retriever whose searches are timed, are spans, and are in the record of the request that they are for."""

import time

from reka._protocol.filters import Filter
from reka.server.retrieval.index import Mode
from reka.server.storage.retriever import Passage, Retriever
from reka.server.telemetry.metrics import Metrics
from reka.server.telemetry.request_record import current_record
from reka.server.telemetry.spans import retrieval_span


class WatchedRetriever(Retriever):
    """Searches the datasets of one server; `watch` sets what is told of the searches."""

    _metrics: Metrics | None = None
    _with_prompts = False

    def watch(self, metrics: Metrics, *, with_prompts: bool) -> "WatchedRetriever":
        """Have the searches measured, and their queries be prompts of their requests if that is wanted."""
        self._metrics, self._with_prompts = metrics, with_prompts
        return self

    def retrieve(
        self, owner: str, name: str, query: str, k: int, condition: Filter | None = None, mode: Mode = "hybrid"
    ) -> list[Passage]:
        """Retrieve the `k` best chunks of a dataset; see `Retriever.retrieve`."""
        started = time.monotonic()
        with retrieval_span(name, query, k) as found:
            passages = super().retrieve(owner, name, query, k, condition, mode)
            found += [(passage.id, passage.hit.score) for passage in passages]
        if self._metrics is not None:
            self._metrics.record_retrieval(mode, time.monotonic() - started, len(passages))
        if record := current_record():
            record.chunks = len(passages)
            if self._with_prompts:
                record.prompt = record.prompt or query
        return passages
