"""Calls of OpenAI's files and vector stores, for tests of the server."""

import threading
from typing import Any

import requests

from tests.support.caller import Caller


def upload(api: Caller, text: str | bytes, filename: str = "note.txt", **fields: str) -> requests.Response:
    data = text.encode() if isinstance(text, str) else text
    return api.ask("POST", "/v1/files", data={"purpose": "assistants", **fields}, files={"file": (filename, data)})


def file_of(api: Caller, text: str, filename: str = "note.txt") -> str:
    answer = upload(api, text, filename)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["id"])


def store_of(api: Caller, name: str | None = None, *files: str, **more: Any) -> dict[str, Any]:
    answer = api.ask("POST", "/v1/vector_stores", json={"name": name, "file_ids": list(files), **more})
    assert answer.status_code == 200, answer.text
    return await_prepared(api, answer.json()["id"])


def await_prepared(api: Caller, store: str) -> dict[str, Any]:
    while (seen := read(api, f"/v1/vector_stores/{store}"))["status"] == "in_progress":
        threading.Event().wait(0.02)
    return seen


def read(api: Caller, path: str, **parameters: Any) -> dict[str, Any]:
    answer = api.ask("GET", path, params=parameters)
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def find(api: Caller, store: str, query: str, **more: Any) -> list[dict[str, Any]]:
    answer = api.ask("POST", f"/v1/vector_stores/{store}/search", json={"query": query, **more})
    assert answer.status_code == 200, answer.text
    return list(answer.json()["data"])
