"""A host of the documented API whose datasets are replaced as a whole: it knows no documents, filters or modes.

Run it as a process with `python -m tests.support.strict_datasets`; its first line is its address.
"""

import io
import re
import threading
import unicodedata
import zipfile
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import unquote

from reka.testing import Answer, RecordedRequest, answer
from tests.support.strict_host import Reply, json_body, run
from tests.support.strict_reka import StrictReka, V0Body
from tests.support.strict_wire import RefusalError, check_form

_PREPARE: Final = re.compile(r"/datasets/([^/]+)/prepare-retrieval")
_STATUS: Final = re.compile(r"/jobs/prepare-retrieval/(.+)/status")
_DATASET: Final = re.compile(r"/datasets/([^/]+)")


class StrictDatasets(StrictReka):
    """A host of the form of 2025 with datasets; chunks are the paragraphs of their files.

    Args:
        most: How many chunks a chat retrieves; with `features`, the default.
        features: What `GET /` says that it can do, of `retrieval_top_k`; None has no such answer.
        options: As of `StrictHost`.
    """

    def __init__(self, *, most: int = 8, features: Sequence[str] | None = None, **options: Any) -> None:
        self.datasets: dict[str, dict[str, str]] = {}
        """Texts by the names of their files, by the name of the dataset."""
        self.prepared: set[str] = set()
        self.deleted = threading.Event()
        """Set when a dataset has been deleted."""
        self.most = most
        self.features = features
        super().__init__(**options)
        self.extra_chat_fields = {"retrieval_top_k"} & set(features or ())

    def v0_chat(self, request: RecordedRequest) -> Answer:
        """Answer a chat with what it retrieved, if it names a dataset."""
        body = json_body(request)
        top_k = body.pop("retrieval_top_k", self.most) if self.extra_chat_fields else self.most
        form = check_form(V0Body, body)
        if (name := form.retrieval_dataset) is None:
            return super().v0_chat(request)
        if name not in self.datasets:
            raise RefusalError(404, f"There is no dataset {name}")
        if name not in self.prepared:
            raise RefusalError(400, f"Dataset {name} is not prepared for retrieval")
        chunks = self._chunks(name, form.conversation_history[-1].text)[:top_k]
        return answer(200, {"type": "model", "text": "Found.\n\n", "retrieved_chunks": chunks})

    def _reply(self, request: RecordedRequest) -> Reply:
        path = request.path.partition("?")[0]
        if not (path == "/" or path.startswith(("/datasets", "/jobs"))):
            return super()._reply(request)
        self._check_key(request)
        if path == "/" and self.features is not None:
            return answer(200, {"features": list(self.features)})
        if path == "/datasets":
            return answer(200, list(self.datasets) if request.method == "GET" else self._add(request))
        if request.method == "POST" and (found := _PREPARE.fullmatch(path)):
            return answer(200, self._prepare(unquote(found[1])))
        if request.method == "DELETE" and (found := _DATASET.fullmatch(path)):
            return answer(200, self._delete(unquote(found[1])))
        if request.method == "GET" and _STATUS.fullmatch(path):
            return answer(200, {"job_status": "COMPLETE", "detail": "", "history": []})
        raise RefusalError(404, "Not Found")

    def _add(self, request: RecordedRequest) -> dict[str, Any]:
        form = request.form
        asked = form["dataset_name"].get_payload(decode=True)
        assert isinstance(asked, bytes)
        plain = unicodedata.normalize("NFKD", asked.decode()).encode("ascii", "ignore").decode()
        name = re.sub(r"[^A-Za-z0-9.-]+", "_", plain).strip("._")
        if name in self.datasets:
            raise RefusalError(400, f"Dataset {name} exists")
        content = form["file"].get_payload(decode=True)
        assert isinstance(content, bytes)
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            files = {entry: archive.read(entry).decode() for entry in archive.namelist()}
        for entry, text in files.items():
            if entry.startswith("/") or any(part in {"", ".", ".."} for part in entry.split("/")) or "\\" in entry:
                raise RefusalError(400, f"{entry!r} is no path")
            if "\0" in text:
                raise RefusalError(400, f"{entry!r} is no text")
        self.datasets[name] = files
        return {"name": name, "ok": True, "info": ""}

    def _prepare(self, name: str) -> str:
        if name not in self.datasets:
            raise RefusalError(404, f"There is no dataset {name}")
        if name in self.prepared:
            raise RefusalError(400, f"Retrieval has already been prepared for dataset {name}")
        self.prepared.add(name)
        return f"job-of-{name}"

    def _delete(self, name: str) -> dict[str, Any]:
        if self.datasets.pop(name, None) is None:
            raise RefusalError(404, f"There is no dataset {name}")
        self.prepared.discard(name)
        self.deleted.set()
        return {"name": name, "ok": True, "info": ""}

    def _chunks(self, name: str, query: str) -> list[dict[str, Any]]:
        """All paragraphs of a dataset, those first that have most words of the query."""
        words = set(re.findall(r"\w+", query.casefold()))
        chunks = [
            {"text": paragraph, "source": file, "score": len(words & _words(paragraph)) / max(1, len(words))}
            for file, text in self.datasets[name].items()
            for paragraph in text.split("\n\n")
        ]
        return sorted(chunks, key=lambda chunk: -float(str(chunk["score"])))


def _words(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.casefold()))


if __name__ == "__main__":
    run(StrictDatasets)
