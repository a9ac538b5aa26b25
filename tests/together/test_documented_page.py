"""The documented page's examples, as written, against the embedded server."""

import contextlib
import io
import zipfile
from pathlib import Path
from typing import Any

import pytest

import reka

pytestmark = pytest.mark.usefixtures("local")

EXAMPLE = """
import reka

reka.API_KEY = "APIKEY"

conversation_history = [
    {"type": "human", "text": "Hi, my name is John."},
    {"type": "model", "text": "Hi, I'm Reka's assistant."},
]
response = reka.chat(
    human="What was my name?",
    conversation_history=conversation_history,
)
print(response) # {"type": "model", "text": "Your name is John.\\n\\n"}
"""


def test_the_chat_example_runs_as_written() -> None:
    printed = io.StringIO()
    names: dict[str, Any] = {}

    with contextlib.redirect_stdout(printed):
        exec(EXAMPLE, names)

    response = names["response"]
    assert set(response) == {"type", "text", "finish_reason", "usage"}  # the last two are this server's
    assert response["type"] == "model"
    assert "Hi, my name is John." in response["text"]
    assert printed.getvalue() == f"{response}\n"


def test_an_answer_appended_to_the_history_works_in_the_next_call() -> None:
    history: list[Any] = [{"type": "human", "text": "Hi, my name is John."}]

    history.append(reka.chat(conversation_history=history))
    answer = reka.chat("What was my name?", conversation_history=history)

    assert "John" in answer["text"]


def test_the_whole_way_from_a_text_to_an_answer_with_its_chunks(alice: Path) -> None:
    reka.API_KEY = "APIKEY"

    added = reka.add_dataset(str(alice), "alice", "A story")
    job_id = reka.prepare_retrieval("alice")
    seen: list[str] = []
    last = reka.wait_for_retrieval(job_id, on_update=lambda status: seen.append(str(status.job_status)))
    history: list[Any] = [{"type": "human", "text": "What is on the glass table?"}]
    history.append(reka.chat(conversation_history=history, retrieval_dataset="alice"))
    again = reka.chat("What has the Rabbit?", conversation_history=history, retrieval_dataset="alice")

    assert (added["name"], added["ok"]) == ("alice", True)
    assert last == reka.retrieval_job_status(job_id)
    assert (last.is_complete(), last.is_done(), last.is_error(), last.is_running()) == (True, True, False, False)
    assert seen[-1] == "COMPLETE"
    assert last.history[0]["job_status"] == "PENDING"
    assert "golden key" in history[1]["text"]
    chunk = history[1]["retrieved_chunks"][0]
    assert "golden key" in chunk["text"]
    assert chunk["source"] == "alice.txt"
    assert 0 < chunk["score"] <= 1
    assert -1 <= chunk["similarity"] <= 1
    assert "watch" in again["text"]
    assert reka.list_datasets() == ["alice"]
    assert reka.delete_dataset("alice")["ok"] is True
    assert reka.list_datasets() == []


def test_a_name_that_is_no_safe_one_is_stored_under_another(alice: Path) -> None:
    stored = reka.add_dataset(str(alice), "../../etc/shadow")["name"]

    assert stored != "../../etc/shadow"
    assert "/" not in stored
    assert reka.list_datasets() == [stored]
    assert reka.wait_for_retrieval(reka.prepare_retrieval(stored)).is_complete()


def test_preparing_twice_and_unknown_names_are_the_documented_errors(alice: Path) -> None:
    reka.add_dataset(str(alice), "alice")
    with pytest.raises(reka.RetrievalError, match=r"(?i)prepare"):
        reka.chat("Hi", retrieval_dataset="alice")
    reka.wait_for_retrieval(reka.prepare_retrieval("alice"))

    with pytest.raises(reka.RetrievalError, match="Retrieval has already been prepared for dataset"):
        reka.prepare_retrieval("alice")
    with pytest.raises(reka.DatasetError, match="alice"):
        reka.add_dataset(str(alice), "alice")
    with pytest.raises(reka.RetrievalError, match="bob"):
        reka.prepare_retrieval("bob")
    with pytest.raises(reka.RetrievalError, match="bob"):
        reka.chat("Hi", retrieval_dataset="bob")
    with pytest.raises(reka.DatasetError, match="bob"):
        reka.delete_dataset("bob")
    with pytest.raises(reka.RetrievalError):
        reka.retrieval_job_status("bob")


def test_bad_files_are_refused_with_a_reason_and_leave_nothing_behind(tmp_path: Path) -> None:
    latin, binary, hidden = tmp_path / "latin.txt", tmp_path / "binary.zip", tmp_path / "up.zip"
    latin.write_bytes("schön".encode("latin-1"))
    with zipfile.ZipFile(binary, "w") as archive:
        archive.writestr("fine.txt", "fine")
        archive.writestr("picture.png", b"\x89PNG\r\n\x1a\n\x00\xff")
    with zipfile.ZipFile(hidden, "w") as archive:
        archive.writestr("../up.txt", "up")

    for path, reason in ((latin, "UTF-8"), (binary, r"picture\.png"), (hidden, r"\.\.")):
        with pytest.raises(reka.DatasetError, match=reason):
            reka.add_dataset(path, "bad")

    assert reka.list_datasets() == []


def test_ensuring_a_dataset_twice_uploads_it_once(tmp_path: Path, alice: Path) -> None:
    updates: list[object] = []

    first = reka.ensure_dataset("stories", files=[alice], on_update=updates.append)
    seen = len(updates)
    second = reka.ensure_dataset("stories", texts={"alice.txt": alice.read_text()}, on_update=updates.append)

    assert first == second
    assert seen > 0
    assert len(updates) == seen
    assert [chunk.get("source") for chunk in reka.retrieve("golden key", first, k=1)] == ["alice.txt"]


def test_retrieve_gives_as_many_chunks_as_asked_for() -> None:
    name = reka.ensure_dataset("numbers", texts=[f"Text number {number} is about apples." for number in range(30)])

    assert len(reka.retrieve("apples", name, k=20)) == 20
    assert len(reka.retrieve("apples", name)) == 8
    scores: list[Any] = [chunk.get("score") for chunk in reka.retrieve("apples", name, k=30)]
    assert scores == sorted(scores, reverse=True)
    assert reka.retrieve("apples", name, k=20) == reka.retrieve("apples", name, k=20)


def test_the_embedded_server_streams_and_serves_the_async_client_too(local_folder: Path) -> None:
    import asyncio

    async def ask() -> str:
        async with reka.AsyncReka(base_url=f"local:{local_folder}") as client:
            return "".join([event.text async for event in client.stream("My name is Ann.")])

    assert asyncio.run(ask()) == "".join(event.text for event in reka.stream("My name is Ann."))
