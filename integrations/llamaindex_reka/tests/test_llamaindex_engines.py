"""Query and chat engines of the index, on a server that answers with a model that follows rules."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from llama_index.core import Settings
from llama_index.core.base.response.schema import AsyncStreamingResponse, Response, StreamingResponse
from llama_index.core.callbacks import CallbackManager, CBEventType, LlamaDebugHandler
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer

from llamaindex_reka import RekaLLM
from tests.support.clients import KEY

from .llamaindex_support import RESET, MakeIndex


def memory() -> ChatMemoryBuffer:
    # The engine's default memory leaves its in-memory database open, which warns when it is collected.
    return ChatMemoryBuffer.from_defaults(token_limit=4000)


def sources(response: Any) -> list[Any]:
    return [node.node.ref_doc_id for node in response.source_nodes]


def test_without_a_model_anywhere_the_index_asks_its_own_server(make: MakeIndex) -> None:
    assert "ten seconds" in str(make().as_query_engine().query(RESET))


def test_the_model_that_is_set_or_given_answers(make: MakeIndex) -> None:
    index = make()

    Settings.llm = MockLLM()
    assert "Context information is below" in str(index.as_query_engine().query(RESET))
    llm = RekaLLM(base_url=index._connection.get("base_url"), api_key=KEY)
    assert "ten seconds" in str(index.as_query_engine(llm=llm).query(RESET))
    llm.close()


def test_the_native_engine_answers_in_one_call_with_its_sources(make: MakeIndex) -> None:
    seen = LlamaDebugHandler(print_trace_on_end=False)
    index = make(callback_manager=CallbackManager([seen]))

    response = index.as_native_query_engine().query(RESET)

    assert isinstance(response, Response)
    assert str(response).startswith("According to reset: To reset the lamp")
    assert sources(response)[0] == "reset"
    assert response.metadata == {node.node_id: node.metadata for node in response.source_nodes}
    assert len(seen.get_event_pairs(CBEventType.LLM)) == 1
    assert len(seen.get_event_pairs(CBEventType.RETRIEVE)) == 0


async def test_the_native_engine_streams_and_has_its_sources_at_the_end(make: MakeIndex) -> None:
    index = make()
    whole = index.as_native_query_engine().query(RESET)
    llm = RekaLLM(base_url=index._connection.get("base_url"), api_key=index._connection.get("api_key"))
    engine = index.as_native_query_engine(llm, streaming=True)

    streamed, later = engine.query(RESET), await engine.aquery(RESET)
    also = await index.as_native_query_engine(llm).aquery(RESET)

    assert isinstance(streamed, StreamingResponse)
    assert isinstance(later, AsyncStreamingResponse)
    assert "".join(streamed.response_gen) == str(whole) == str(also)
    assert "".join([text async for text in later.async_response_gen()]) == str(whole)
    assert sources(streamed) == sources(later) == sources(whole) == sources(also)
    assert streamed.metadata == whole.metadata
    await llm.aclose()


@pytest.mark.parametrize("mode", ["best", "context", "condense_question", "condense_plus_context"])
def test_a_chat_engine_of_every_mode_answers_from_the_documents(make: MakeIndex, mode: Any) -> None:
    engine = make().as_chat_engine(chat_mode=mode, memory=memory(), similarity_top_k=2)

    assert "ten seconds" in str(engine.chat(RESET))
    assert "dry cloth" in str(engine.chat("And how is the shade cleaned?"))
    assert "five watts" in "".join(engine.stream_chat("How many watts does it draw?").response_gen)


def test_the_simple_chat_engine_remembers_and_retrieves_nothing(make: MakeIndex) -> None:
    engine = make().as_chat_engine(chat_mode="simple", memory=memory())  # type: ignore[arg-type]  # the enum's value

    engine.chat("My name is John.")

    assert str(engine.chat("What is my name?")) == "Your name is John."


@pytest.mark.parametrize("mode", ["best", "context", "condense_question", "condense_plus_context", "simple"])
async def test_a_chat_engine_of_every_mode_answers_asynchronously_too(make: MakeIndex, mode: Any) -> None:
    index = make()
    llm = RekaLLM(base_url=index._connection.get("base_url"), api_key=index._connection.get("api_key"))
    engine = index.as_chat_engine(chat_mode=mode, llm=llm, memory=memory(), similarity_top_k=2)
    asked = ("My name is John.", "What is my name?") if mode == "simple" else (RESET, "How many watts does it draw?")

    await engine.achat(asked[0])
    streamed = await engine.astream_chat(asked[1])
    text = "".join([piece async for piece in streamed.async_response_gen()])
    await llm.aclose()

    assert ("John" if mode == "simple" else "five watts") in text


def test_an_index_serves_many_threads(make: MakeIndex) -> None:
    engine = make().as_query_engine()

    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: str(engine.query(RESET)), range(16)))

    assert len(set(answers)) == 1
