"""Datasets as sets of documents on any host: what its client does, or what a manifest makes up for."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from copy import deepcopy
from functools import partial
from hashlib import sha256
from itertools import islice
from typing import Any, TypeAlias

from reka import config
from reka._calls import flows
from reka._calls.capabilities import ServerCapabilities
from reka._calls.documents.flows import has_documents
from reka._calls.flow import Flow
from reka._inputs.documents import deletions, document_batches, id_batches
from reka._protocol.constants import DOCUMENTS
from reka.adapters.documents import replaced, timers
from reka.adapters.documents.located import located
from reka.adapters.documents.manifest import Manifest, Snapshot, find_manifest
from reka.adapters.shared_clients import ClientSettings
from reka.adapters.steps import NOT_FOUND, Step, Steps, collect, if_there
from reka.errors import DatasetError, RekaError
from reka.types import DatasetInfo, Document, DocumentInfo, OnUpdate, RetrievalMode, RetrievedChunk

Replacement: TypeAlias = tuple[Sequence[Document], Mapping[str, Any] | None]
"""Documents to put, and a filter of those that they take the place of besides those with their ids."""

IsSame: TypeAlias = Callable[[Document, DocumentInfo], bool]
"""Whether a document is the one that is listed, so that it need not be sent."""


class DocumentDatasets:
    """Datasets of one server as sets of documents; each operation is steps for `take` or `atake`.

    Where the server has no documents, a change uploads all of them anew; see `reka.adapters.documents`.

    Args:
        settings: Settings of the clients that take the steps.
        snapshot: What was known of a dataset elsewhere, by its name; for a host without documents.
    """

    def __init__(self, settings: ClientSettings, snapshot: tuple[str, Snapshot] | None = None) -> None:
        self._settings = settings
        self._snapshot = snapshot

    def put(self, dataset: str, documents: Iterable[Document], on_update: OnUpdate | None = None) -> Steps[str]:
        """Put documents, each in the place of the one with its id, and return the stored name of the dataset."""
        if (yield from self._has_documents(dataset)):
            result = yield lambda client: client.put_documents(dataset, documents, on_update=on_update)
            return _name(result, dataset)
        new = _checked(documents)
        return (yield from self._changed(dataset, lambda before: {**before, **new}, on_update))

    def replace(
        self, dataset: str, replacements: Iterable[Replacement], on_update: OnUpdate | None = None
    ) -> Steps[str]:
        """Put documents in the place of others, and return the stored name of the dataset."""
        if (yield from self._has_documents(dataset)):
            for documents, stale in replacements:
                yield partial(_put, dataset, documents, on_update)
                if stale is not None:
                    yield partial(_delete, dataset, stale, on_update)
            return dataset
        pairs = [(_checked(documents), stale) for documents, stale in replacements]

        def make(before: Mapping[str, Document]) -> Mapping[str, Document]:
            after = dict(before)
            for new, stale in pairs:
                after = (after if stale is None else _without(after, replaced.by_filter(stale))) | new
            return after

        return (yield from self._changed(dataset, make, on_update))

    def fill(
        self,
        dataset: str,
        documents: Iterable[Document],
        *,
        is_same: IsSame | None = None,
        on_update: OnUpdate | None = None,
    ) -> Steps[str]:
        """Make a dataset hold these documents and no others, wait until they can be found, and return its stored name.

        Args:
            dataset: Its name; it is made if it is not there.
            documents: At least one.
            is_same: Tells documents that need not be sent; None sends all.
            on_update: Called with each status of the job.
        """
        if not (yield from self._has_documents(dataset)):
            new = _checked(documents)
            return (yield from self._changed(dataset, lambda before: new or before, on_update, is_whole=True))
        there = yield from self._infos_if_there(dataset)
        given = _Given(documents, there, is_same)
        result = yield lambda client: client.put_documents(dataset, given, wait=False)
        name = _name(result, dataset)
        if name != dataset and not there:
            there = yield from self._infos_if_there(name)
        gone = [identity for identity in there if identity not in given.ids] if given.ids else []
        job_id = result["job_id"]
        if gone:
            deleted = yield lambda client: client.delete_documents(name, gone, wait=False)
            job_id = deleted["job_id"] or job_id
        elif job_id is None and given.ids:
            job_id = yield from _preparation(name)
        if job_id is not None:
            yield lambda client: client.wait_for_retrieval(job_id, on_update=on_update)
        return name

    def delete(
        self, dataset: str, ids: Iterable[str] | None = None, condition: Mapping[str, Any] | None = None
    ) -> Steps[int]:
        """Delete documents by their ids, or by a filter on their metadata, and return how many there were."""
        if (yield from self._has_documents(dataset)):
            result = yield lambda client: client.delete_documents(dataset, ids, filter=condition)
            return int(result["deleted"])
        given = None if ids is None else list(ids)
        list(deletions(given, condition))  # which checks them
        yield from self._known(dataset, "delete_documents")
        is_gone = _by_ids(given or ()) if condition is None else replaced.by_filter(condition)
        count = 0

        def make(before: Mapping[str, Document]) -> Mapping[str, Document]:
            nonlocal count
            after = _without(before, is_gone)
            count = len(before) - len(after)
            return after

        yield from self._changed(dataset, make)
        return count

    def drop(self, dataset: str) -> Steps[None]:
        """Delete a dataset with all that it holds."""
        manifest = None if (yield from self._has_documents(dataset)) else self._manifest(dataset)
        if manifest is None or manifest.state() is None:
            yield lambda client: client.delete_dataset(dataset)
        else:
            yield from self._changed(dataset, lambda _: {}, is_whole=True)

    def infos(self, dataset: str, most: int | None = None) -> Steps[list[DocumentInfo]]:
        """List the documents of a dataset: all of them, or so many."""
        if not (yield from self._has_documents(dataset)):
            manifest = yield from self._known(dataset, "list_documents")
            return [_info(document) for document in islice(manifest.copy().documents.values(), most)]
        return (yield from _infos(dataset, most))

    def get(self, dataset: str, ids: Sequence[str]) -> Steps[list[Document]]:
        """Get documents with their texts, in the order of their ids; those that are not there are left out."""
        if not (yield from self._has_documents(dataset)):
            checked = [identity for batch in id_batches(ids) for identity in batch]
            manifest = yield from self._known(dataset, "get_documents")
            documents = manifest.copy().documents
            return [deepcopy(documents[identity]) for identity in checked if identity in documents]
        found: list[Document] = yield lambda client: client.get_documents(dataset, ids)
        return found

    def retrieve(
        self,
        query: str,
        dataset: str,
        k: int,
        condition: Mapping[str, Any] | None = None,
        mode: RetrievalMode = "hybrid",
    ) -> Steps[list[RetrievedChunk]]:
        """Search a dataset; see `Reka.retrieve`."""
        manifest = None if (yield _run(_says_documents)) else self._manifest(dataset)
        if manifest is None or manifest.state() is None:
            chunks: list[RetrievedChunk] = yield lambda client: client.retrieve(
                query, dataset, k, filter=condition, mode=mode
            )
            return chunks
        chunks = yield _run(partial(replaced.search, manifest, query, k, condition, mode))
        return chunks

    def stored_name(self, dataset: str) -> str:
        """Find the name under which the server has a dataset now; its own, unless a manifest says another one."""
        state = self._manifest(dataset).state()
        return dataset if state is None or state.name is None else state.name

    def located(self, chunks: Sequence[RetrievedChunk], dataset: str) -> Sequence[RetrievedChunk]:
        """Say of the chunks that came with an answer which documents they are from, if the host knows none."""
        if all("document_id" in chunk for chunk in chunks):
            return chunks
        copy = self._manifest(dataset).copy()
        return [located(chunk, copy) for chunk in chunks]

    def snapshot(self, dataset: str) -> Snapshot | None:
        """Return all that a manifest says of a dataset, to be kept; None if there is no manifest."""
        return self._manifest(dataset).snapshot()

    def _has_documents(self, dataset: str) -> Steps[bool]:
        """Whether the server has documents; one that has learned it takes over what a manifest says of the dataset."""
        if not (yield _run(has_documents)):
            return False
        manifest = self._manifest(dataset)
        state = manifest.state()
        if state is not None and (state.name is not None or state.retired):
            documents = list(manifest.copy().documents.values())
            yield partial(_put, manifest.dataset, documents, None)
            manifest.write_state(state.switched(None, ""))
            yield _run(partial(replaced.delete_retired, manifest))
        return True

    def _infos_if_there(self, dataset: str) -> Steps[dict[str, DocumentInfo]]:
        infos = yield from if_there(_infos(dataset), [])
        return {info["id"]: info for info in infos}

    def _changed(
        self, dataset: str, make: replaced.Make, on_update: OnUpdate | None = None, *, is_whole: bool = False
    ) -> Steps[str]:
        manifest = self._manifest(dataset)
        yield _run(partial(replaced.change, manifest, make, on_update, is_whole=is_whole))
        _sweep_later(manifest, self._settings)
        return self.stored_name(dataset)

    def _known(self, dataset: str, function: str) -> Steps[Manifest]:
        """Find the manifest of a dataset.

        Raises:
            DatasetError: There is no such dataset.
            UnsupportedRequestError: There is one, but its documents are unknown.
        """
        manifest = self._manifest(dataset)
        if manifest.state() is None:
            names = yield lambda client: client.list_datasets()
            if dataset in names:
                yield lambda client: collect(client.list_documents(dataset))  # which raises the error
            raise DatasetError(f"{function}: there is no dataset {dataset!r}", NOT_FOUND)
        return manifest

    def _manifest(self, dataset: str) -> Manifest:
        manifest = find_manifest(self._settings.owner(), dataset)
        if self._snapshot is not None and self._snapshot[0] == dataset and manifest.state() is None:
            manifest.restore(self._snapshot[1])
        return manifest


class _Given:
    """Documents to put that are not there yet, and the ids of all as they are read."""

    def __init__(
        self, documents: Iterable[Document], there: Mapping[str, DocumentInfo], is_same: IsSame | None
    ) -> None:
        self._documents = documents
        self._there = there
        self._is_same = is_same
        self.ids: set[str] = set()

    def __iter__(self) -> Iterator[Document]:
        for document in self._documents:
            self.ids.add(document["id"])
            info = self._there.get(document["id"])
            if info is None or self._is_same is None or not self._is_same(document, info):
                yield document


def _run(flow: Callable[[ServerCapabilities], Flow[Any]]) -> Step:
    return lambda client: client._run_for_dataset(flow)  # noqa: SLF001  # a flow of the client's own kind


def _says_documents(capabilities: ServerCapabilities) -> Flow[bool]:
    """Whether the server has documents, where it does no harm that it cannot say just now."""
    return DOCUMENTS in (yield from flows.fetch_features(capabilities))


def _put(dataset: str, documents: Sequence[Document], on_update: OnUpdate | None, client: Any) -> Any:
    return client.put_documents(dataset, documents, on_update=on_update)


def _delete(dataset: str, condition: Mapping[str, Any], on_update: OnUpdate | None, client: Any) -> Any:
    return client.delete_documents(dataset, filter=condition, on_update=on_update)


def _infos(dataset: str, most: int | None = None) -> Steps[list[DocumentInfo]]:
    found: list[DocumentInfo] = yield lambda client: collect(client.list_documents(dataset), most)
    return found


def _preparation(dataset: str) -> Steps[str | None]:
    """Find the job to wait for where nothing was changed: of another process, or of a dataset that is stored only."""
    info: DatasetInfo = yield lambda client: client.describe_dataset(dataset)
    if info["state"] in {"stored", "failed"}:
        job_id: str = yield lambda client: client.prepare_retrieval(dataset)
        return job_id
    return info.get("job_id") if info["state"] == "preparing" else None


def _name(result: Mapping[str, Any], dataset: str) -> str:
    """Return the name under which documents were put, which a server changes if it cannot be stored safely."""
    return str(result.get("name") or dataset)


def _checked(documents: Iterable[Document]) -> dict[str, Document]:
    """Check documents, and return them by their ids as they would come back from a server."""
    lines = (line for batch in document_batches(documents) for line in batch.splitlines())
    read: Iterator[Document] = map(json.loads, lines)
    return {document["id"]: document for document in read}


def _info(document: Document) -> DocumentInfo:
    text = document["text"].encode()
    fields = [document.get("source"), document.get("metadata") or {}]
    digest = sha256(json.dumps(fields, sort_keys=True).encode() + b"\n" + text).hexdigest()
    return {
        "id": document["id"],
        "source": document.get("source") or document["id"],
        "metadata": deepcopy(dict(document.get("metadata") or {})),
        "size_bytes": len(text),
        "chunks": 1,
        "digest": digest,
    }


def _by_ids(ids: Iterable[str]) -> Callable[[Document], bool]:
    gone = set(ids)
    return lambda document: document["id"] in gone


def _without(documents: Mapping[str, Document], is_gone: Callable[[Document], bool]) -> dict[str, Document]:
    return {key: document for key, document in documents.items() if not is_gone(document)}


def _sweep_later(manifest: Manifest, settings: ClientSettings) -> None:
    """Delete the copies that a change has replaced when nobody searches them any more, if this process lives so long.

    Else the next search or change does, of any process.
    """
    state = manifest.state()
    if state is not None and state.retired:
        timers.start(manifest.folder, config.RETIRED_SECONDS, partial(_sweep, manifest, settings))


def _sweep(manifest: Manifest, settings: ClientSettings) -> None:
    with suppress(RekaError), settings.sync_client() as client:
        _run(partial(replaced.sweep, manifest))(client)
