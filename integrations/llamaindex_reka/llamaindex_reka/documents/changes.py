"""What changes the documents of an index: each change leaves all other documents alone."""

import asyncio
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import islice
from typing import Any, Final, TypeVar

from llama_index.core.indices.managed.base import BaseManagedIndex
from llama_index.core.ingestion import run_transformations
from llama_index.core.schema import BaseNode, Document, TransformComponent
from llama_index.core.storage.docstore.types import RefDocInfo
from tqdm.auto import tqdm  # type: ignore[import-untyped]  # LlamaIndex's own choice for progress; it has no types

import reka
from llamaindex_reka.dataset import Dataset, documents_by_id
from llamaindex_reka.nodes import (
    NODE_ID,
    REF_DOC_ID,
    document_of,
    document_of_part,
    has_unstorable_object,
    hash_of,
    identity_of,
    is_split,
    source_metadata,
    stored_document,
    text_of,
    with_stable_ids,
)
from reka.adapters import ClientSettings, DocumentDatasets, Replacement, Steps, if_there, take

T = TypeVar("T")

_NESTED: Final = ("insert_kwargs", "delete_kwargs", "update_kwargs")
"""Arguments with which LlamaIndex's indexes pass arguments on to the methods that they call."""

_BATCH: Final = 200
"""Documents that are replaced at a time: a filter names all nodes that they are split into."""


class DatasetImmutableError(reka.UnsupportedRequestError, NotImplementedError):
    """A dataset cannot be changed: its host has no datasets, or does not list the documents that others stored."""


class ChangeableIndex(BaseManagedIndex):
    """An index whose documents can be put and deleted.

    A host whose datasets are replaced as a whole is sent all documents at each change; what they are is kept on this
    machine.
    """

    _dataset: Dataset
    _settings: ClientSettings
    _splitters: Sequence[TransformComponent]

    @abstractmethod
    def _client(self) -> reka.Reka:
        """Return the client of the index."""

    @abstractmethod
    def _keep(self) -> None:
        """Have the storage context keep what opens the index again."""

    def insert(self, document: Document, **insert_kwargs: Any) -> None:
        """Put a document into the index; it replaces the one with its id, if there is one.

        Raises:
            InvalidArgumentError: The document cannot be stored, or an argument is unknown; nothing was sent.
            DatasetImmutableError: The host has a dataset of this name, and does not list its documents, which were not
                stored from this machine.
            RekaError: Any other failure; see `reka.errors`.
        """
        _refuse(insert_kwargs, "insert")
        with self._callback_manager.as_trace("insert"):
            self._replace([document])

    async def ainsert(self, document: Document, **insert_kwargs: Any) -> None:
        """Async version of `insert`; it runs in a worker thread, as all of them do."""
        await asyncio.to_thread(self.insert, document, **insert_kwargs)

    def insert_nodes(self, nodes: Sequence[BaseNode], **insert_kwargs: Any) -> None:
        """Put nodes into the index that are split already; each comes back whole. A node replaces the one with its id.

        Raises:
            RekaError: As in `insert`.
        """
        _refuse(insert_kwargs, "insert_nodes")
        with self._callback_manager.as_trace("insert_nodes"):
            self._insert(nodes)

    async def ainsert_nodes(self, nodes: Sequence[BaseNode], **insert_kwargs: Any) -> None:
        """Async version of `insert_nodes`."""
        await asyncio.to_thread(self.insert_nodes, nodes, **insert_kwargs)

    def delete_ref_doc(self, ref_doc_id: str, delete_from_docstore: bool = False, **delete_kwargs: Any) -> None:
        """Delete a document with all of its nodes; one that is not there is none to delete.

        Args:
            ref_doc_id: Id of the document.
            delete_from_docstore: Has no effect: the server has the only copy.
            delete_kwargs: None are known.

        Raises:
            RekaError: As in `insert`.
        """
        _refuse(delete_kwargs, "delete_ref_doc")
        identity = self._dataset.stored_id(ref_doc_id)
        if not self._delete({REF_DOC_ID: identity}):  # no index has stored it
            self._change(self._datasets.delete(self._dataset.name, [identity]))

    async def adelete_ref_doc(self, ref_doc_id: str, delete_from_docstore: bool = False, **delete_kwargs: Any) -> None:
        """Async version of `delete_ref_doc`."""
        await asyncio.to_thread(self.delete_ref_doc, ref_doc_id, delete_from_docstore, **delete_kwargs)

    def delete_nodes(self, node_ids: list[str], delete_from_docstore: bool = False, **delete_kwargs: Any) -> None:
        """Delete nodes that were split before they were stored.

        Args:
            node_ids: Their ids.
            delete_from_docstore: Has no effect, as in `delete_ref_doc`.
            delete_kwargs: None are known.

        Raises:
            InvalidArgumentError: A node is a part of a document that the server split; nothing was deleted.
            RekaError: As in `insert`.
        """
        _refuse(delete_kwargs, "delete_nodes")
        ids = [self._dataset.stored_id(node_id) for node_id in node_ids]
        if not ids:
            return
        parts = {node_id: document for node_id in ids if (document := document_of_part(node_id)) is not None}
        if parts:
            there = {info["metadata"].get(NODE_ID) for info in self._infos()}
            for node_id, document in parts.items():
                if node_id not in there and document in there:
                    raise reka.InvalidArgumentError(
                        f"node_ids: {node_id!r} is a part of {document!r}, which was stored whole; delete_ref_doc "
                        "deletes that"
                    )
        self._delete({NODE_ID: {"$in": ids}})

    async def adelete_nodes(
        self, node_ids: list[str], delete_from_docstore: bool = False, **delete_kwargs: Any
    ) -> None:
        """Async version of `delete_nodes`."""
        await asyncio.to_thread(self.delete_nodes, node_ids, delete_from_docstore, **delete_kwargs)

    def update_ref_doc(self, document: Document, **update_kwargs: Any) -> None:
        """Put a document in the place of the one with its id; see `insert`. A blank one is none."""
        _refuse(update_kwargs, "update_ref_doc")
        if not text_of(document).strip():
            self.delete_ref_doc(document.id_)
            return
        with self._callback_manager.as_trace("update_ref_doc"):
            self._replace([document])

    async def aupdate_ref_doc(self, document: Document, **update_kwargs: Any) -> None:
        """Async version of `update_ref_doc`."""
        await asyncio.to_thread(self.update_ref_doc, document, **update_kwargs)

    def refresh_ref_docs(
        self, documents: Sequence[Document], *, on_update: reka.OnUpdate | None = None, **update_kwargs: Any
    ) -> list[bool]:
        """Put those of the documents that are new or changed; the others in the index stay as they are.

        Args:
            documents: New, changed and unchanged documents.
            on_update: Called with each status of the job that makes the change searchable.
            update_kwargs: None are known.

        Returns:
            For each document, whether it is new or changed.

        Raises:
            RekaError: As in `insert`; the index is then unchanged.
        """
        _refuse(update_kwargs, "refresh_ref_docs")
        check_callable(on_update)
        with self._callback_manager.as_trace("refresh_ref_docs"):
            texts = documents_by_id(documents, least=0)
            before = {document_of(info): hash_of(info["metadata"]) for info in self._listed()}
            changed = {identity: one for identity, one in texts.items() if before.get(identity) != one.hash}
            if changed:
                self._replace(list(changed.values()), on_update)
            gone = before.keys() & {identity_of(document) for document in documents} - texts.keys()  # blank now
            for identity in gone:
                self.delete_ref_doc(identity)
            return [identity_of(document) in changed.keys() | gone for document in documents]

    async def arefresh_ref_docs(self, documents: Sequence[Document], **update_kwargs: Any) -> list[bool]:
        """Async version of `refresh_ref_docs`."""
        return await asyncio.to_thread(self.refresh_ref_docs, documents, **update_kwargs)

    def refresh(self, documents: Sequence[Document], **update_kwargs: Any) -> list[bool]:
        """Put those of the documents that are new or changed; see `refresh_ref_docs`."""
        return self.refresh_ref_docs(documents, **update_kwargs)

    @property
    def ref_doc_info(self) -> dict[str, RefDocInfo]:
        """Ids of the documents in the index, with their metadata, and with the ids of their nodes if these are stored.

        Raises:
            UnsupportedRequestError: The host does not list the documents of a dataset, and they were not stored from
                this machine.
            RekaError: Any other failure; see `reka.errors`.
        """
        found: dict[str, RefDocInfo] = {}
        for info in self._infos():
            metadata = info["metadata"]
            identity = document_of(info)
            entry = found.setdefault(
                self._dataset.given_ids.get(identity, identity),
                RefDocInfo(metadata=source_metadata(metadata)),
            )
            if is_split(metadata):
                entry.node_ids.append(metadata[NODE_ID])
        return found

    def _insert(self, nodes: Sequence[BaseNode], **insert_kwargs: Any) -> None:
        if not nodes:
            return
        documents = [stored_document(self._storable(node)) for node in documents_by_id(nodes).values()]
        with self._progress(None) as callback:
            self._change(self._datasets.put(self._dataset.name, documents, callback))

    def _storable(self, node: BaseNode) -> BaseNode:
        """Keep the object that a node stands for in this process, if it cannot be stored."""
        if not has_unstorable_object(node):
            return node
        self._object_map[node.index_id] = node.obj  # type: ignore[attr-defined]  # it is an IndexNode
        return node.model_copy(update={"obj": None})

    def _delete_node(self, node_id: str, **delete_kwargs: Any) -> None:
        self.delete_nodes([node_id], **delete_kwargs)

    def _delete(self, condition: Mapping[str, Any]) -> int:
        return self._change(self._datasets.delete(self._dataset.name, condition=condition))

    def _replace(self, documents: Sequence[BaseNode], on_update: reka.OnUpdate | None = None) -> None:
        """Put documents in the place of those with their ids."""
        given = documents_by_id(documents)
        replacements = [self._replacement(batch) for batch in _batches(given)]
        with self._progress(on_update) as callback:
            self._change(self._datasets.replace(self._dataset.name, replacements, callback))
        self._dataset.know(given)

    def _replacement(self, batch: Mapping[str, BaseNode]) -> Replacement:
        nodes = self._split(batch)
        return nodes, {REF_DOC_ID: {"$in": list(batch)}, NODE_ID: {"$nin": [_own_id(node) for node in nodes]}}

    def _store(self, documents: Sequence[BaseNode], on_update: reka.OnUpdate | None) -> None:
        """Make these documents the whole content of the dataset. What is there already is not sent."""
        check_callable(on_update)
        given = documents_by_id(documents)
        with self._progress(on_update) as callback:
            self._take(
                self._datasets.fill(self._dataset.name, self._split(given), is_same=_is_same, on_update=callback)
            )
        self._dataset.know(given)
        self._keep()

    def _split(self, documents: Mapping[str, BaseNode]) -> list[reka.Document]:
        """Return documents as they are stored: as the index's own transformations split them, if it has any."""
        nodes = list(documents.values())
        if self._splitters:
            named = [one.model_copy(update={"id_": identity}) for identity, one in documents.items()]
            nodes = with_stable_ids(run_transformations(named, self._splitters, show_progress=self._show_progress))
        return [stored_document(node) for node in nodes if text_of(node).strip()]

    def _listed(self) -> list[reka.DocumentInfo]:
        """List the documents of the dataset; none if it is not there yet."""
        return self._take(if_there(self._datasets.infos(self._dataset.name), []))

    def _infos(self) -> list[reka.DocumentInfo]:
        return self._take(self._datasets.infos(self._dataset.name))

    @property
    def _datasets(self) -> DocumentDatasets:
        return self._dataset.on(self._settings)

    def _change(self, steps: Steps[T]) -> T:
        try:
            result = self._take(steps)
        except reka.UnsupportedRequestError as error:
            raise DatasetImmutableError(error.message) from error
        self._keep()
        return result

    def _take(self, steps: Steps[T]) -> T:
        return take(steps, self._client())

    @contextmanager
    def _progress(self, on_update: reka.OnUpdate | None) -> Iterator[reka.OnUpdate]:
        """Yield a callback that shows job statuses as a progress bar and passes them to `on_update`."""
        with tqdm(total=100, desc="Preparing", unit="%", disable=not self._show_progress) as bar:

            def update(status: reka.PrepareRetrievalStatusResponse) -> None:
                percent = 100 if status.is_complete() else _percent(status)
                bar.update(max(0, percent - bar.n))
                if on_update is not None:
                    on_update(status)

            yield update
            bar.update(100 - bar.n)


def check_callable(on_update: object) -> None:
    """Raise InvalidArgumentError if a callback is none."""
    if on_update is not None and not callable(on_update):
        raise reka.InvalidArgumentError(f"on_update: got {on_update!r}, want something to call")


def _refuse(given: Mapping[str, Any], method: str) -> None:
    """Refuse unknown arguments, also those that are to be passed on."""
    passed_on = {name: value for name, value in given.items() if name in _NESTED and isinstance(value, Mapping)}
    for name in given:
        if name not in passed_on:
            raise reka.InvalidArgumentError(f"{name}: not an argument of {method}")
    for value in passed_on.values():
        _refuse(value, method)


def _batches(documents: Mapping[str, BaseNode]) -> Iterator[dict[str, BaseNode]]:
    items = iter(documents.items())
    return iter(lambda: dict(islice(items, _BATCH)), {})


def _own_id(document: reka.Document) -> str:
    return str(document.get("metadata", {})[NODE_ID])


def _is_same(document: reka.Document, info: reka.DocumentInfo) -> bool:
    return (document.get("metadata"), document.get("source")) == (info["metadata"], info["source"])


def _percent(status: reka.PrepareRetrievalStatusResponse) -> int:
    """Return the progress of a job in percent; 0 if the server does not report it."""
    progress = status.history[-1].get("progress") if status.history else None
    return int(progress * 100) if isinstance(progress, int | float) else 0
