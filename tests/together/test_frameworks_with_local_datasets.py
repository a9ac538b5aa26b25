"""LangChain and LlamaIndex over datasets of the embedded server, answered by a host that has none."""

from collections.abc import Callable
from typing import Any

import pytest
from langchain_core.messages import AIMessageChunk
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough
from llama_index.core import Document
from llama_index.core.base.response.schema import StreamingResponse
from llama_index.core.tools import FunctionTool

import reka
from langchain_reka import ChatReka
from langchain_reka import RekaRetriever as LangChainRetriever
from llamaindex_reka import RekaIndex, RekaLLM
from llamaindex_reka import RekaRetriever as LlamaIndexRetriever
from tests.support.clients import KEY
from tests.support.strict_host import StrictHost
from tests.support.strict_hosts import model_with_tools

QUESTION = "How do I reset the lamp?"
AND_WEATHER = f"{QUESTION} And the weather in 'Bern'?"
TEXTS = {"reset.txt": "To reset the lamp, hold the button for ten seconds.", "power.txt": "The lamp needs 5 watts."}


def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"4 degrees in {city}"


def _connection(host: StrictHost) -> dict[str, Any]:
    return {"api_key": KEY, "base_url": host.url}


def _prompt(host: StrictHost) -> str:
    """The messages of the last request, as text."""
    return str(host.requests[-1].json)


def test_a_langchain_chain_answers_from_what_it_retrieves(host: StrictHost, place: str) -> None:
    retriever = LangChainRetriever.from_texts(TEXTS, dataset="lamp", k=1, datasets=place, **_connection(host))
    model = ChatReka(model_with_tools(host), **_connection(host))
    prompt = ChatPromptTemplate.from_template("Context:\n{context}\nQuestion: {question}")
    chain = {"context": retriever, "question": RunnablePassthrough()} | prompt | model | StrOutputParser()

    answer, streamed = chain.invoke(QUESTION), "".join(chain.stream(QUESTION))
    model.close()

    assert "ten seconds" in answer
    assert streamed == answer
    assert "5 watts" not in _prompt(host)
    assert [path for path in host.paths if "/datasets" in path] == []


async def test_a_langchain_model_streams_a_tool_call_and_what_it_retrieved(host: StrictHost, place: str) -> None:
    retriever = LangChainRetriever.from_texts(TEXTS, dataset="lamp", datasets=place, **_connection(host))
    model = ChatReka(model_with_tools(host), retrieval_dataset=retriever.dataset, datasets=place, **_connection(host))
    with_tools = model.bind_tools([weather])

    streams = [list(with_tools.stream(AND_WEATHER)), [piece async for piece in with_tools.astream(AND_WEATHER)]]
    await model.aclose()

    for pieces in streams:
        message = sum(pieces, AIMessageChunk(content=""))
        assert [(call["name"], call["args"]) for call in message.tool_calls] == [("weather", {"city": "Bern"})]
        assert message.response_metadata["retrieved_chunks"][0]["source"] == "reset.txt"
    assert "ten seconds" in _prompt(host)
    assert "retrieval_dataset" not in _prompt(host)


@pytest.mark.parametrize("engine", ["as_query_engine", "as_native_query_engine"])
def test_a_llamaindex_query_engine_answers_from_what_it_retrieves(host: StrictHost, place: str, engine: str) -> None:
    documents = [Document(text=text, id_=name) for name, text in TEXTS.items()]
    index = RekaIndex.from_documents(documents, dataset="lamp", datasets=place, **_connection(host))
    llm = RekaLLM(model=model_with_tools(host), datasets=place, **_connection(host))

    response = getattr(index, engine)(llm=llm).query(QUESTION)
    streamed = getattr(index, engine)(llm=llm, streaming=True).query(QUESTION)
    assert isinstance(streamed, StreamingResponse)
    text = "".join(streamed.response_gen)
    index.close()
    llm.close()

    assert "ten seconds" in str(response)
    assert text == str(response)
    for result in (response, streamed):
        assert result.source_nodes[0].node.ref_doc_id == "reset.txt"
    assert [path for path in host.paths if "/datasets" in path] == []


async def test_a_llamaindex_model_streams_a_tool_call_and_what_it_retrieved(host: StrictHost, place: str) -> None:
    documents = [Document(text=text, id_=name) for name, text in TEXTS.items()]
    index = RekaIndex.from_documents(documents, dataset="lamp", datasets=place, **_connection(host))
    llm = RekaLLM(model=model_with_tools(host), retrieval_dataset=index.dataset, datasets=place, **_connection(host))
    tools = [FunctionTool.from_defaults(weather)]

    streams = [
        list(llm.stream_chat_with_tools(tools, AND_WEATHER)),
        [response async for response in await llm.astream_chat_with_tools(tools, AND_WEATHER)],
    ]
    await llm.aclose()
    index.close()

    for *_, response in streams:
        (call,) = llm.get_tool_calls_from_response(response)
        assert (call.tool_name, call.tool_kwargs) == ("weather", {"city": "Bern"})
        assert response.additional_kwargs["retrieved_chunks"][0]["source"] == "reset.txt"
    assert "ten seconds" in _prompt(host)
    assert "retrieval_dataset" not in _prompt(host)


USES: dict[str, Callable[[dict[str, Any]], object]] = {
    "client": lambda connection: reka.Reka(**connection).ensure_dataset("lamp", texts=list(TEXTS.values())),
    "LangChain's model": lambda connection: ChatReka(retrieval_dataset="lamp", **connection).invoke(QUESTION),
    "LangChain's stream": lambda connection: list(ChatReka(retrieval_dataset="lamp", **connection).stream(QUESTION)),
    "LangChain's retriever": lambda connection: LangChainRetriever(dataset="lamp", **connection).invoke(QUESTION),
    "LangChain's texts": lambda connection: LangChainRetriever.from_texts(TEXTS, dataset="lamp", **connection),
    "LlamaIndex's model": lambda connection: RekaLLM(retrieval_dataset="lamp", **connection).complete(QUESTION),
    "LlamaIndex's stream": lambda connection: list(
        RekaLLM(retrieval_dataset="lamp", **connection).stream_complete(QUESTION)
    ),
    "LlamaIndex's retriever": lambda connection: LlamaIndexRetriever("lamp", **connection).retrieve(QUESTION),
    "LlamaIndex's documents": lambda connection: RekaIndex.from_documents(
        [Document(text=text) for text in TEXTS.values()], dataset="lamp", **connection
    ),
    "LlamaIndex's index": lambda connection: RekaIndex("lamp", **connection).as_retriever().retrieve(QUESTION),
    "LlamaIndex's engine": lambda connection: (
        RekaIndex("lamp", **connection).as_native_query_engine(RekaLLM(**connection)).query(QUESTION)
    ),
}
"""Uses of a dataset that is nowhere."""


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_left_alone_both_say_what_the_host_lacks_and_two_ways_out(
    host: StrictHost, use: Callable[[dict[str, Any]], object]
) -> None:
    with pytest.raises(reka.UnsupportedRequestError) as caught:
        use(_connection(host))

    message = caught.value.message
    assert f"{host.url} has no datasets" in message
    assert 'datasets="local"' in message
    assert "reka serve" in message
