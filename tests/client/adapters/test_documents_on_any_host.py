"""Datasets as sets of documents, on a host whose datasets are replaced as a whole."""

import asyncio
import os
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

import reka
from reka import config
from reka.adapters import ClientSettings, DocumentDatasets, SharedClients, atake, stored_name, take
from tests.support.clients import KEY
from tests.support.farm import COW, HEN, OWL, Do, ids
from tests.support.processes import output_of
from tests.support.strict_datasets import StrictDatasets


def test_documents_come_back_as_they_went_in(datasets: DocumentDatasets, do: Do) -> None:
    do(datasets.fill("farm", [OWL, HEN, COW]))

    (chunk,) = do(datasets.retrieve("Does it eat grass?", "farm", 1))
    expected = {
        "text": "It eats grass.",
        "source": "cow.txt",
        "document_id": "cow/1",
        "metadata": {},
        "position": 21,
        "document_bytes": len(COW["text"]),
        "id": "cow/1@21",
    }
    assert expected.items() <= chunk.items()
    assert do(datasets.get("farm", ["cow/1", "none", "owl"])) == [COW, OWL]
    infos = do(datasets.infos("farm"))
    assert [(info["id"], info["source"], info["metadata"]) for info in infos] == [
        ("owl", "owl", OWL.get("metadata")),
        ("hen", "hen", HEN.get("metadata")),
        ("cow/1", "cow.txt", {}),
    ]


def test_what_a_program_changes_in_a_document_that_it_was_given_stays_its_own(
    datasets: DocumentDatasets, do: Do
) -> None:
    goat: reka.Document = {"id": "goat", "text": "The goat climbs.", "metadata": {"tags": ["kid"]}}
    do(datasets.put("farm", [goat]))

    for given in (
        *do(datasets.get("farm", ["goat"])),
        *do(datasets.infos("farm")),
        *do(datasets.retrieve("goat", "farm", 1)),
    ):
        given["metadata"]["tags"].append("changed")

    assert do(datasets.get("farm", ["goat"])) == [goat]


@pytest.mark.usefixtures("at_once")
def test_each_change_leaves_the_other_documents_alone_and_one_dataset_on_the_host(
    datasets: DocumentDatasets, do: Do, host: StrictDatasets
) -> None:
    name = do(datasets.put("farm", [OWL, HEN]))
    new: reka.Document = {"id": "hen", "text": "The hen sleeps."}
    do(datasets.put("farm", [new, COW]))
    assert do(datasets.get("farm", ["owl", "hen", "cow/1"])) == [OWL, new, COW]
    assert do(datasets.delete("farm", condition={"kind": "bird"})) == 1
    assert do(datasets.delete("farm", ["hen", "nobody"])) == 1

    assert ids(do(datasets.retrieve("owl hen cow", "farm", 8))) == ["cow/1", "cow/1"]
    assert list(host.datasets) == [datasets.stored_name("farm")]
    assert name not in host.datasets


def test_what_has_been_replaced_is_deleted_after_a_while_even_if_nobody_uses_the_dataset(
    datasets: DocumentDatasets, do: Do, host: StrictDatasets, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(config, "RETIRED_SECONDS", 0.1)
    do(datasets.put("farm", [OWL]))
    do(datasets.put("farm", [HEN]))

    assert host.deleted.wait(10)
    assert list(host.datasets) == [datasets.stored_name("farm")]


def test_what_has_been_replaced_stays_for_those_who_search_it(
    datasets: DocumentDatasets, do: Do, host: StrictDatasets
) -> None:
    old = do(datasets.put("farm", [OWL]))
    new = do(datasets.put("farm", [HEN]))

    assert set(host.datasets) == {old, new}
    assert set(ids(do(datasets.retrieve("hen", old, 8)))) == {"owl", "hen"}


def test_many_changes_in_a_short_time_leave_the_last_two_copies(
    datasets: DocumentDatasets, do: Do, host: StrictDatasets
) -> None:
    names = [do(datasets.put("farm", [{"id": str(number), "text": "Sheep."}])) for number in range(5)]

    assert list(host.datasets) == names[-2:]


@pytest.mark.usefixtures("at_once")
def test_a_dataset_is_found_by_its_label_and_by_every_stored_name_that_it_had(
    datasets: DocumentDatasets, do: Do, host: StrictDatasets
) -> None:
    names = [do(datasets.put("farm", [document])) for document in (OWL, HEN, COW)]

    assert len(host.datasets) == 1
    for name in ["farm", *names]:
        assert len(do(datasets.get(name, ["owl", "hen", "cow/1"]))) == 3


@pytest.mark.usefixtures("at_once")
def test_a_search_that_finds_its_dataset_gone_goes_on_in_the_one_that_replaced_it(
    datasets: DocumentDatasets, settings: ClientSettings, do: Do, host: StrictDatasets
) -> None:
    do(datasets.put("farm", [OWL]))
    chat = host._routes["POST /chat"]

    def change_first(request: Any) -> Any:
        host._routes["POST /chat"] = chat
        with settings.sync_client() as client:
            take(datasets.put("farm", [HEN]), client)
        return chat(request)

    host._routes["POST /chat"] = change_first

    assert set(ids(do(datasets.retrieve("hen", "farm", 8)))) == {"owl", "hen"}


@pytest.mark.usefixtures("at_once")
def test_what_does_not_differ_is_not_uploaded_unless_the_host_has_lost_it(
    datasets: DocumentDatasets, do: Do, host: StrictDatasets
) -> None:
    name = do(datasets.fill("farm", [OWL, HEN]))

    assert do(datasets.fill("farm", [HEN, OWL])) == name
    assert do(datasets.put("farm", [OWL])) == name
    assert host.paths.count("POST /datasets") == 1
    host.datasets.clear()
    do(datasets.fill("farm", [OWL, HEN]))
    assert list(host.datasets) == [datasets.stored_name("farm")] != [name]


@pytest.mark.usefixtures("at_once")
def test_a_dataset_without_documents_is_empty_and_takes_others(
    datasets: DocumentDatasets, do: Do, host: StrictDatasets
) -> None:
    do(datasets.put("farm", [OWL]))
    do(datasets.delete("farm", ["owl"]))

    assert host.datasets == {}
    assert do(datasets.retrieve("owl", "farm", 8)) == do(datasets.infos("farm")) == []
    do(datasets.put("farm", [HEN]))
    assert ids(do(datasets.retrieve("hen", "farm", 8))) == ["hen"]
    do(datasets.drop("farm"))
    assert host.datasets == {}


@pytest.mark.usefixtures("at_once")
def test_a_change_that_fails_leaves_the_dataset_as_it_was(
    datasets: DocumentDatasets, do: Do, host: StrictDatasets
) -> None:
    name = do(datasets.put("farm", [OWL]))

    with pytest.raises(reka.DatasetError, match="no text"):
        do(datasets.put("farm", [{"id": "bad", "text": "a\0b"}]))
    assert list(host.datasets) == [name]
    assert do(datasets.get("farm", ["owl", "bad"])) == [OWL]


@pytest.mark.usefixtures("at_once")
def test_what_a_crash_leaves_behind_is_deleted_by_the_next_change(
    datasets: DocumentDatasets, do: Do, host: StrictDatasets, settings: ClientSettings
) -> None:
    name = do(datasets.put("farm", [OWL]))
    program = """
import os, sys
from reka.adapters import ClientSettings, DocumentDatasets, take
settings = ClientSettings(sys.argv[1], sys.argv[2])
end = lambda status: os._exit(0)  # as the job is looked at, so before the switch
with settings.sync_client() as client:
    take(DocumentDatasets(settings).put("farm", [{"id": "hen", "text": "The hen."}], end), client)
"""
    output_of(sys.executable, "-c", program, KEY, host.url, REKA_MANIFESTS=os.environ["REKA_MANIFESTS"])
    assert len(host.datasets) == 2
    assert ids(do(datasets.retrieve("hen", "farm", 8))) == ["owl"]

    do(datasets.put("farm", [COW]))

    assert list(host.datasets) == [datasets.stored_name("farm")] != [name]
    assert [info["id"] for info in do(datasets.infos("farm"))] == ["owl", "cow/1"]


@pytest.mark.usefixtures("at_once")
def test_changes_at_once_wait_for_each_other_and_none_is_lost(
    datasets: DocumentDatasets, settings: ClientSettings, host: StrictDatasets
) -> None:
    def put(number: int) -> None:
        with settings.sync_client() as client:
            take(datasets.put("farm", [{"id": str(number), "text": f"Sheep {number}."}]), client)

    with ThreadPoolExecutor(6) as threads:
        list(threads.map(put, range(12)))

    with settings.sync_client() as client:
        assert len(take(datasets.infos("farm"), client)) == 12
    assert len(host.datasets) == 1


async def test_changes_at_once_in_one_event_loop_do_not_block_it(
    datasets: DocumentDatasets, settings: ClientSettings
) -> None:
    clients = SharedClients()

    async def put(number: int) -> None:
        await atake(datasets.put("farm", [{"id": str(number), "text": "Sheep."}]), clients.aio(settings))

    await asyncio.gather(*(put(number) for number in range(5)))

    assert len(await atake(datasets.infos("farm"), clients.aio(settings))) == 5
    await clients.aclose()


def test_a_filter_is_applied_to_more_than_was_asked_for(datasets: DocumentDatasets, do: Do) -> None:
    do(datasets.fill("farm", [OWL, HEN, COW]))

    assert ids(do(datasets.retrieve("milk grass", "farm", 2, {"kind": "bird"}))) == ["owl", "hen"]
    assert ids(do(datasets.retrieve("milk", "farm", 8, {"kind": "bird", "legs": {"$gte": 2}}))) == ["owl", "hen"]
    assert do(datasets.retrieve("milk", "farm", 8, {"kind": "fish"})) == []
    assert len(do(datasets.retrieve("milk", "farm", 8, {"kind": {"$ne": "fish"}}))) == 4


def test_a_filter_is_refused_where_more_may_fit_than_the_host_returns(
    datasets: DocumentDatasets, do: Do, host: StrictDatasets
) -> None:
    flock: list[reka.Document] = [
        {"id": str(number), "text": f"A sheep, number {number}.", "metadata": {"even": number % 2 == 0}}
        for number in range(40)
    ]
    do(datasets.fill("flock", flock))

    assert len(do(datasets.retrieve("sheep", "flock", 2, {"even": True}))) == 2
    with pytest.raises(reka.UnsupportedRequestError, match=r"^filter: .* only 4 of the 8 passages .* fit, fewer .* 5"):
        do(datasets.retrieve("sheep", "flock", 5, {"even": True}))
    with pytest.raises(reka.UnsupportedRequestError, match=r"^mode: "):
        do(datasets.retrieve("sheep", "flock", 2, None, "keyword"))


def test_a_host_that_returns_as_much_as_is_asked_for_is_filtered_further() -> None:
    flock: list[reka.Document] = [
        {"id": str(number), "text": f"A sheep, number {number}.", "metadata": {"tenth": number % 10 == 9}}
        for number in range(90)
    ]
    with StrictDatasets(features=["retrieval_top_k"]) as host:
        settings = ClientSettings(KEY, host.url)
        datasets = DocumentDatasets(settings)
        with settings.sync_client() as client:
            take(datasets.fill("flock", flock), client)
            found = take(datasets.retrieve("sheep", "flock", 20, {"tenth": True}), client)

    assert len(found) == 9


@pytest.mark.parametrize("dataset", ["my notes/1", "../up", "a__b", "Bücher", "ü" * 200, ".", "%2F", "日本"])
def test_a_dataset_of_any_name_is_found_by_it(datasets: DocumentDatasets, do: Do, dataset: str) -> None:
    do(datasets.put(dataset, [OWL]))
    do(datasets.put(f"{dataset}x", [HEN]))

    assert ids(do(datasets.retrieve("owl", dataset, 8))) == ["owl"]


def test_labels_that_no_server_takes_as_they_are_stay_apart() -> None:
    names = [stored_name(label) for label in ("a b", "a_b", "a/b", "a__b", "x" * 200, "x" * 201)]

    assert len(set(names)) == 6
    assert stored_name("a_b") == "a_b"


@pytest.mark.parametrize(
    "names", [["a", "a/b"], ["a/b", "a"], ["Thumbs.db", "x/__MACOSX/y"], ["../up", "/etc/x", "a\\b", "\n", "ü" * 500]]
)
def test_documents_of_any_id_are_told_apart(datasets: DocumentDatasets, do: Do, names: list[str]) -> None:
    documents: list[reka.Document] = [{"id": name, "text": f"It is {place}."} for place, name in enumerate(names)]
    same_source: list[reka.Document] = [
        {"id": f"s{place}", "text": f"Source {place}.", "source": "all"} for place in range(3)
    ]
    do(datasets.put("any", [*documents, *same_source]))

    found = do(datasets.retrieve("It is", "any", 8))
    assert {chunk["document_id"]: chunk["text"] for chunk in found} == {
        document["id"]: document["text"] for document in (*documents, *same_source)
    }
    assert {chunk["source"] for chunk in found} == {*names, "all"}


def test_a_dataset_that_others_uploaded_is_searched_and_not_changed(
    datasets: DocumentDatasets, do: Do, host: StrictDatasets
) -> None:
    host.datasets["plain"] = {"a.txt": "The owl hunts."}
    host.prepared.add("plain")

    assert do(datasets.retrieve("owl", "plain", 8)) == [{"text": "The owl hunts.", "source": "a.txt", "score": 1.0}]
    for steps in (datasets.put("plain", [OWL]), datasets.delete("plain", ["a"]), datasets.infos("plain")):
        with pytest.raises(reka.UnsupportedRequestError, match=r"datasets=\"local\""):
            do(steps)
    with pytest.raises(reka.UnsupportedRequestError, match="does not filter"):
        do(datasets.retrieve("owl", "plain", 8, {"a": 1}))
    with pytest.raises(reka.DatasetError, match="there is no dataset 'none'") as caught:
        do(datasets.get("none", ["a"]))
    assert caught.value.status_code == 404
    assert list(host.datasets) == ["plain"]


def test_chunks_without_a_file_are_known_by_their_text(datasets: DocumentDatasets, do: Do) -> None:
    do(datasets.put("farm", [OWL, COW]))
    chunks = [{"text": " It eats grass."}, {"text": "The owl", "source": "files/owl"}, {"text": "No such text."}]

    found = datasets.located(chunks, "farm")  # type: ignore[arg-type]  # as a host may send them

    assert ids(found) == ["cow/1", "owl", None]
