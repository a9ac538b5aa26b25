"""Operations on a dataset whose host replaces it as a whole, as flows: its documents are in a manifest."""

from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import suppress
from dataclasses import replace
from itertools import chain, repeat
from typing import TYPE_CHECKING, Final, TypeAlias

from reka._calls import endpoints, flows
from reka._calls.capabilities import ServerCapabilities
from reka._calls.documents.flows import WAYS_OUT, retrieve
from reka._calls.flow import Flow, Sleep
from reka._inputs.uploads import ArchiveSource
from reka._protocol.constants import MAX_RETRIEVED_CHUNKS, RETRIEVAL_TOP_K
from reka._protocol.filters import matches, parse_filter
from reka.adapters.documents.located import located
from reka.adapters.documents.manifest import Copy, Manifest, State, made_folder
from reka.adapters.documents.names import file_names, new_copy
from reka.adapters.steps import NOT_FOUND
from reka.errors import DatasetError, RekaError, RetrievalError, UnsupportedRequestError
from reka.types import Document, OnUpdate, RetrievalMode, RetrievedChunk

if TYPE_CHECKING:
    from filelock import BaseFileLock

Make: TypeAlias = Callable[[Mapping[str, Document]], Mapping[str, Document]]
"""Makes the documents of a dataset of those that it has, both by their ids."""

_WAITS: Final = (0.01, 0.02, 0.05, 0.1, 0.25)
"""Seconds between looks at a manifest that another change holds; the last one repeats."""


def change(
    manifest: Manifest, make: Make, on_update: OnUpdate | None, capabilities: ServerCapabilities, *, is_whole: bool
) -> Flow[None]:
    """Change the documents of a dataset: upload and prepare them all as a new copy, and switch to it.

    Changes of other processes wait meanwhile, and searches go on in the present copy. That one is deleted some time
    after the switch. What a crash has left behind is deleted first.

    Args:
        manifest: The dataset's.
        make: Makes the documents.
        on_update: Called with each status of the job that prepares the copy.
        capabilities: What is known of the host.
        is_whole: Whether `make` asks for no documents that are there.

    Raises:
        UnsupportedRequestError: The host has a dataset of this name whose documents are unknown.
        RekaError: It failed; the dataset is as it was.
    """
    lock = yield from _locked(manifest)
    try:
        names = yield from flows.list_datasets(capabilities)
        state = yield from _clean(manifest, names)
        if manifest.state() is None and manifest.dataset in names and not is_whole:
            raise UnsupportedRequestError(
                f"dataset: the documents of {manifest.dataset!r} are unknown: {capabilities.url} does not list them, "
                f"and they were not stored from this machine. Use another name, or delete the dataset. {WAYS_OUT}"
            )
        before = manifest.copy().documents
        after = make(before)
        if after == before and (not after or state.name in names):
            return
        files = file_names(after.values())
        if files:
            name, token = yield from _upload(manifest, state, files, on_update)
            manifest.write_documents(token, files)
        else:
            name, token = None, ""
        state = state.switched(name, token)
        manifest.write_state(state)
        manifest.remove_other_documents(token)
        yield from _delete(manifest, state, state.overdue())
    finally:
        lock.release()


def search(
    manifest: Manifest,
    query: str,
    k: int,
    condition: Mapping[str, object] | None,
    mode: RetrievalMode,
    capabilities: ServerCapabilities,
) -> Flow[list[RetrievedChunk]]:
    """Search the present copy of a dataset; if that has been replaced and deleted meanwhile, the one after it.

    Raises:
        UnsupportedRequestError: There may be more that a filter leaves than the host returned, or it knows no modes.
        RetrievalError: The dataset is not there any more.
    """
    copy = manifest.copy()
    while copy.name is not None:
        try:
            found = yield from _find(copy, copy.name, query, k, condition, mode, capabilities)
        except RetrievalError:
            searched, copy = copy, manifest.copy()
            if copy.name == searched.name:
                raise
        else:
            yield from sweep(manifest, capabilities)
            return found
    return []


def sweep(manifest: Manifest, capabilities: ServerCapabilities) -> Flow[None]:
    """Delete the copies that were replaced some time ago, unless a change is about to."""
    state = manifest.state()
    if state is not None and state.overdue() and (lock := _lock(manifest)) is not None:
        try:
            state = manifest.state() or State()  # a change may have come first
            yield from _delete(manifest, state, state.overdue())
        finally:
            lock.release()


def delete_retired(manifest: Manifest, _: ServerCapabilities) -> Flow[None]:
    """Delete all copies that were replaced, as those of a dataset that a server has taken over."""
    state = manifest.state() or State()
    yield from _delete(manifest, state, state.retired)


def _find(
    copy: Copy,
    name: str,
    query: str,
    k: int,
    condition: Mapping[str, object] | None,
    mode: RetrievalMode,
    capabilities: ServerCapabilities,
) -> Flow[list[RetrievedChunk]]:
    ids = copy.documents.keys() if condition is None else _fitting(copy, condition)
    if not ids:
        return []
    is_filtered = len(ids) < len(copy.documents)
    asked = MAX_RETRIEVED_CHUNKS if is_filtered else k
    chunks = yield from retrieve(query, name, asked, None, mode, capabilities)
    found = [located(chunk, copy) for chunk in chunks]
    if not is_filtered:
        return found
    fitting = [chunk for chunk in found if chunk.get("document_id") in ids]
    is_all = RETRIEVAL_TOP_K in (capabilities.features or ()) and len(chunks) < asked
    if len(fitting) < k and not is_all and not ids <= {chunk.get("document_id") for chunk in fitting}:
        raise UnsupportedRequestError(
            f"filter: {capabilities.url} does not filter what it retrieves, and only {len(fitting)} of the "
            f"{len(chunks)} passages that it returns for this query fit, fewer than the {k} that were asked for: "
            f"others may be missing. Ask for fewer. {WAYS_OUT}"
        )
    return fitting[:k]


def _fitting(copy: Copy, condition: Mapping[str, object]) -> Set[str]:
    fits = by_filter(condition)
    return {key for key, document in copy.documents.items() if fits(document)}


def by_filter(condition: Mapping[str, object]) -> Callable[[Document], bool]:
    """Return what says of a document whether a filter on the metadata holds for it."""
    parsed = parse_filter(condition, "filter")
    return lambda document: matches(parsed, document.get("metadata") or {})


def _upload(
    manifest: Manifest, state: State, files: Mapping[str, Document], on_update: OnUpdate | None
) -> Flow[tuple[str, str]]:
    """Upload and prepare a copy, and return its stored name and its token."""
    name, token = new_copy(manifest.dataset)
    manifest.write_state(replace(state, pending=(*state.pending, token)))
    source = ArchiveSource("documents.zip", {file: document["text"] for file, document in files.items()})
    result = yield endpoints.add_dataset(source, name, None, None)
    name = result["name"]
    try:
        job_id = yield endpoints.prepare_retrieval(name)
        yield from flows.wait_for_retrieval(job_id, None, on_update)
    except RekaError:
        with suppress(RekaError):  # else the next change does
            yield endpoints.delete_dataset(name)
        raise
    return name, token


def _clean(manifest: Manifest, names: list[str]) -> Flow[State]:
    """Delete what a crash has left behind, and what is overdue; return the state after that."""
    state = manifest.state() or State()
    for token in state.pending:
        for name in names:
            if token in name:
                yield from _is_deleted(name)
    if state.pending:
        state = replace(state, pending=())
        manifest.write_state(state)
    return (yield from _delete(manifest, state, state.overdue()))


def _delete(manifest: Manifest, state: State, names: Iterable[str]) -> Flow[State]:
    """Delete copies that were replaced, and return the state after that."""
    for name in names:
        if (yield from _is_deleted(name)):
            state = state.without(name)
            manifest.write_state(state)
    return state


def _is_deleted(name: str) -> Flow[bool]:
    """Delete a copy; what fails is tried again by the next change."""
    try:
        yield endpoints.delete_dataset(name)
    except RekaError as error:
        return isinstance(error, DatasetError) and error.status_code == NOT_FOUND  # it is gone
    return True


def _locked(manifest: Manifest) -> Flow["BaseFileLock"]:
    """Wait until no other change holds a manifest, and hold it."""
    for seconds in chain(_WAITS, repeat(_WAITS[-1])):
        if (lock := _lock(manifest)) is not None:
            return lock
        yield Sleep(seconds)
    raise AssertionError("unreachable: the waits have no end")


def _lock(manifest: Manifest) -> "BaseFileLock | None":
    """Hold a manifest; None if a change holds it, of this process or another one."""
    from filelock import FileLock, Timeout

    lock = FileLock(made_folder(manifest.folder) / "lock", thread_local=False)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return None
    return lock
