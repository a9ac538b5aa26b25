"""What is kept on this machine of datasets on a host that replaces them as a whole."""

import json
import os
import sys
from pathlib import Path

import pytest

import reka
from reka.adapters import ClientSettings, DocumentDatasets, take
from tests.support.clients import KEY
from tests.support.farm import COW, HEN, OWL, Do, ids
from tests.support.strict_datasets import StrictDatasets


def test_each_key_has_datasets_of_its_own(host: StrictDatasets, datasets: DocumentDatasets, do: Do) -> None:
    do(datasets.put("farm", [OWL]))
    other = ClientSettings("another-key", host.url)

    with other.sync_client() as client, pytest.raises(reka.DatasetError, match="no dataset"):
        take(DocumentDatasets(other).infos("farm"), client)


@pytest.mark.skipif(sys.platform == "win32", reason="permissions are those of POSIX")
def test_nobody_else_can_read_what_is_kept_and_it_has_no_key(datasets: DocumentDatasets, do: Do) -> None:
    do(datasets.put("farm", [OWL]))

    folder = Path(os.environ["REKA_MANIFESTS"])
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.iterdir())} == {0}
    assert {path.stat().st_mode & 0o077 for path in files if path.name != "lock"} == {0}
    assert len(files) == 3
    assert not any(KEY.encode() in path.read_bytes() for path in files)


def test_a_manifest_that_has_lost_its_documents_says_so(datasets: DocumentDatasets, do: Do) -> None:
    do(datasets.put("farm", [OWL]))
    do(datasets.put("other", [OWL]))
    for path in Path(os.environ["REKA_MANIFESTS"]).glob("farm-*/documents-*"):
        path.unlink()

    with pytest.raises(reka.InvalidArgumentError, match="has lost the documents of 'farm'; delete the folder"):
        do(datasets.infos("farm"))


@pytest.mark.parametrize("content", ["", "{", "[]", '{"name": 1}'])
def test_a_manifest_that_is_damaged_says_so(datasets: DocumentDatasets, do: Do, content: str) -> None:
    do(datasets.put("farm", [OWL]))
    (state,) = Path(os.environ["REKA_MANIFESTS"]).glob("farm-*/state.json")
    state.write_text(content)

    with pytest.raises(reka.InvalidArgumentError, match=r"the manifest .*farm-.* cannot be read .*delete its folder"):
        do(datasets.infos("farm"))


@pytest.mark.usefixtures("at_once")
def test_what_a_process_left_unfinished_in_the_manifest_is_removed(datasets: DocumentDatasets, do: Do) -> None:
    do(datasets.put("farm", [OWL]))
    (state,) = Path(os.environ["REKA_MANIFESTS"]).glob("farm-*/state.json")
    for name in ("new-half", "documents-0123.jsonl"):
        (state.parent / name).write_text("half")

    do(datasets.put("farm", [HEN]))

    assert len(list(state.parent.iterdir())) == 3


def test_a_snapshot_opens_the_dataset_on_another_machine(
    datasets: DocumentDatasets, settings: ClientSettings, do: Do, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    do(datasets.put("farm", [OWL, COW]))
    snapshot = json.loads(json.dumps(datasets.snapshot("farm")))
    monkeypatch.setenv("REKA_MANIFESTS", str(tmp_path / "elsewhere"))

    there = DocumentDatasets(settings, ("farm", snapshot))

    assert ids(do(there.retrieve("owl", "farm", 1))) == ["owl"]
    do(there.put("farm", [HEN]))
    assert len(do(there.infos("farm"))) == 3
    assert DocumentDatasets(settings).snapshot("none") is None
