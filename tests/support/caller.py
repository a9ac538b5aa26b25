"""A client of the server that is nothing but HTTP."""

import threading
from typing import Any

import requests


class Caller:
    """Sends requests to one server with one key."""

    def __init__(self, url: str, key: str | None = "a-key") -> None:
        self.url = url
        self.session = requests.Session()
        self.session.trust_env = False
        if key is not None:
            self.session.headers["X-Api-Key"] = key

    def close(self) -> None:
        self.session.close()

    def ask(self, method: str, path: str, **options: Any) -> requests.Response:
        return self.session.request(method, self.url + path, timeout=30, **options)

    def add(self, name: str, content: bytes | str, filename: str = "file.txt") -> requests.Response:
        data = content.encode() if isinstance(content, str) else content
        return self.ask("POST", "/datasets", data={"dataset_name": name}, files={"file": (filename, data)})

    def names(self) -> list[str]:
        return list(self.ask("GET", "/datasets").json())

    def delete(self, name: str) -> requests.Response:
        return self.ask("DELETE", f"/datasets/{name}")

    def prepare(self, name: str) -> requests.Response:
        return self.ask("POST", f"/datasets/{name}/prepare-retrieval")

    def status(self, job: str) -> dict[str, Any]:
        answer = self.ask("GET", f"/jobs/prepare-retrieval/{job}/status")
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def await_end(self, job: str) -> dict[str, Any]:
        while True:
            status = self.status(job)
            if status["job_status"] in ("COMPLETE", "ERROR"):
                return status
            threading.Event().wait(0.02)

    def add_prepared(self, name: str, content: bytes | str, filename: str = "file.txt") -> None:
        assert self.add(name, content, filename).ok
        status = self.await_end(self.prepare(name).json())
        assert status["job_status"] == "COMPLETE", status

    def put(self, dataset: str, documents: list[dict[str, Any]]) -> dict[str, Any]:
        """Put documents, and wait until they can be found."""
        answer = self.ask("PUT", f"/datasets/{dataset}/documents", json=documents)
        assert answer.status_code == 200, answer.text
        return self.await_taken_over(answer.json())

    def remove(self, dataset: str, **what: Any) -> dict[str, Any]:
        """Delete documents by `ids` or `filter`, and wait until they cannot be found."""
        answer = self.ask("POST", f"/datasets/{dataset}/documents/delete", json=what)
        assert answer.status_code == 200, answer.text
        return self.await_taken_over(answer.json())

    def await_taken_over(self, answer: dict[str, Any]) -> dict[str, Any]:
        if answer["job_id"] is not None:
            status = self.await_end(answer["job_id"])
            assert status["job_status"] == "COMPLETE", status
        return answer

    def documents(self, dataset: str) -> list[dict[str, Any]]:
        answer = self.ask("GET", f"/datasets/{dataset}/documents", params={"limit": 1000})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["documents"])

    def search(self, dataset: str, query: str, **more: Any) -> list[dict[str, Any]]:
        answer = self.ask("POST", f"/datasets/{dataset}/search", json={"query": query, **more})
        assert answer.status_code == 200, answer.text
        return list(answer.json()["retrieved_chunks"])

    def chat(self, text: str, **more: Any) -> requests.Response:
        return self.ask("POST", "/chat", json={"conversation_history": [{"type": "human", "text": text}], **more})

    def chunks(self, query: str, dataset: str, k: int = 8) -> list[dict[str, Any]]:
        answer = self.chat(query, retrieval_dataset=dataset, retrieval_top_k=k)
        assert answer.status_code == 200, answer.text
        return list(answer.json()["retrieved_chunks"])
