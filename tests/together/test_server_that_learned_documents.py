"""A server that had no documents when a dataset was stored, and has them since."""

from pathlib import Path

from reka.adapters import ClientSettings, DocumentDatasets, Snapshot, take
from reka.types import Document
from tests.support.servers import run_server

OWL: Document = {"id": "owl", "text": "The owl hunts at night.", "source": "owl.txt", "metadata": {"legs": 2}}
HEN: Document = {"id": "hen", "text": "The hen lays 12 eggs.", "metadata": {}}
COPY = "farm-0123456789abcd"


def test_it_takes_over_what_a_manifest_says_of_a_dataset(tmp_path: Path) -> None:
    with run_server(tmp_path / "data") as server:
        settings = ClientSettings("a-key", server.url)
        with settings.sync_client() as client:
            (tmp_path / "owl.txt").write_text(OWL["text"])
            client.add_dataset(tmp_path / "owl.txt", COPY)
            snapshot: Snapshot = {"name": COPY, "token": "0123456789abcd", "documents": [OWL]}
            before = DocumentDatasets(settings, ("farm", snapshot))
            assert before.stored_name("farm") == COPY

            datasets = DocumentDatasets(settings)
            assert take(datasets.put("farm", [HEN]), client) == "farm"

            assert client.list_datasets() == ["farm"]
            assert [info["id"] for info in take(datasets.infos("farm"), client)] == ["owl", "hen"]
            assert take(datasets.get("farm", ["owl"]), client) == [OWL]
            (found,) = take(datasets.retrieve("eggs", "farm", 1), client)
            assert found.get("document_id") == "hen"
            assert datasets.stored_name("farm") == "farm"
