"""Searches that others run: a program of its own for each, which reads collections and prints what it finds.

It is given documents and queries as one line of JSON, ranks the documents for each query by the first of their chunks
that it finds, and answers with a line: names by query, and milliseconds of CPU time of the whole process, which has the
server of whoever runs over HTTP. All embed with the same static vectors (wordllama).
"""

import json
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from http.client import HTTPConnection
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

HITS: Final = 50
"""Chunks that are searched for."""

CHUNK_CHARS: Final = 800
"""Maximum length of a chunk, where it must be given."""

Search = Callable[[str], Sequence[str]]
"""Gives the names of the documents whose chunks match a query, best first."""


@cache
def model() -> Any:
    """The static vectors."""
    wordllama = import_module("wordllama")
    return wordllama.WordLlama.load(cache_dir=Path(str(wordllama.__file__)).parent, disable_download=True)


def embed(texts: Sequence[str]) -> list[list[float]]:
    """Embed texts as vectors of unit length."""
    numpy = import_module("numpy")
    vectors = model().embed(list(texts), norm=False)
    lengths = numpy.linalg.norm(vectors, axis=1, keepdims=True)
    unit: list[list[float]] = (vectors / numpy.where(lengths > 0, lengths, 1)).tolist()
    return unit


@contextmanager
def langchain(documents: Mapping[str, str]) -> Iterator[Search]:
    """LangChain: BM25Retriever and Chroma, merged by EnsembleRetriever, over chunks of its usual splitter."""
    splitter = import_module("langchain_text_splitters").RecursiveCharacterTextSplitter(
        chunk_size=CHUNK_CHARS, chunk_overlap=CHUNK_CHARS // 10
    )
    embeddings = type(
        "Embeddings",
        (import_module("langchain_core.embeddings").Embeddings,),
        {"embed_documents": lambda _, texts: embed(texts), "embed_query": lambda _, text: embed([text])[0]},
    )()
    document = import_module("langchain_core.documents").Document
    whole = [document(text, metadata={"source": name}) for name, text in documents.items()]
    chunks = splitter.split_documents(whole)
    words = import_module("langchain_community.retrievers").BM25Retriever.from_documents(chunks, k=HITS)
    settings = import_module("chromadb").Settings(anonymized_telemetry=False)
    store = import_module("langchain_chroma").Chroma("documents", embeddings, client_settings=settings)
    for first in range(0, len(chunks), 1000):
        store.add_documents(chunks[first : first + 1000])
    vectors = store.as_retriever(search_kwargs={"k": HITS})
    ensemble = import_module("langchain_classic.retrievers").EnsembleRetriever(
        retrievers=[words, vectors], weights=[0.5, 0.5]
    )
    yield lambda query: [found.metadata["source"] for found in ensemble.invoke(query)]
    store.delete_collection()


@contextmanager
def llamaindex(documents: Mapping[str, str]) -> Iterator[Search]:
    """LlamaIndex: its default store and BM25Retriever, merged by QueryFusionRetriever, with its default chunks."""
    core = import_module("llama_index.core")
    base = import_module("llama_index.core.base.embeddings.base").BaseEmbedding

    class Embedding(base):  # type: ignore[misc, valid-type]  # imported at run time
        def _get_text_embedding(self, text: str) -> list[float]:
            return embed([text])[0]

        def _get_text_embeddings(self, texts: list[str]) -> list[list[float]]:
            return embed(texts)

        def _get_query_embedding(self, query: str) -> list[float]:
            return embed([query])[0]

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return embed([query])[0]

    whole = [core.Document(text=text, metadata={"source": name}) for name, text in documents.items()]
    nodes = import_module("llama_index.core.node_parser").SentenceSplitter().get_nodes_from_documents(whole)
    index = core.VectorStoreIndex(nodes, embed_model=Embedding(embed_batch_size=100))
    words = import_module("llama_index.retrievers.bm25").BM25Retriever.from_defaults(
        nodes=nodes, similarity_top_k=min(HITS, len(nodes))
    )
    fusion = import_module("llama_index.core.retrievers").QueryFusionRetriever(
        [index.as_retriever(similarity_top_k=HITS), words],
        similarity_top_k=HITS,
        num_queries=1,
        mode="reciprocal_rerank",
        use_async=False,
        llm=import_module("llama_index.core.llms").MockLLM(),
    )
    yield lambda query: [found.metadata["source"] for found in fusion.retrieve(query)]


@contextmanager
def lancedb_alone(documents: Mapping[str, str]) -> Iterator[Search]:
    """LanceDB's own hybrid search behind the HTTP server that ours has: FastAPI and uvicorn."""
    fastapi, uvicorn = import_module("fastapi"), import_module("uvicorn")
    splitter = import_module("semantic_text_splitter").TextSplitter(CHUNK_CHARS)
    rows = [{"source": name, "text": chunk} for name, text in documents.items() for chunk in splitter.chunks(text)]
    for row, vector in zip(rows, embed([row["text"] for row in rows]), strict=True):
        row["vector"] = vector
    with tempfile.TemporaryDirectory() as folder:
        table = import_module("lancedb").connect(folder).create_table("documents", rows)
        table.create_fts_index("text")
        rerank = import_module("lancedb.rerankers").RRFReranker()
        match = import_module("lancedb.query").MatchQuery
        app = fastapi.FastAPI()

        def search(body: Annotated[dict[str, str], fastapi.Body()]) -> list[str]:
            query = table.search(query_type="hybrid").vector(embed([body["query"]])[0])
            found = query.text(match(body["query"], "text")).rerank(rerank).limit(HITS).to_list()
            return [row["source"] for row in found]

        app.post("/search")(search)
        server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
        thread = threading.Thread(target=server.run)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        host, port = server.servers[0].sockets[0].getsockname()[:2]
        connection = HTTPConnection(host, port)
        yield lambda query: list(_post(connection, "/search", {"query": query}))
        connection.close()
        server.should_exit = True
        thread.join()


@contextmanager
def ours(documents: Mapping[str, str]) -> Iterator[Search]:
    """Our server over HTTP, as it is."""
    run, settings = import_module("reka.server.run"), import_module("reka.server.settings")
    with tempfile.TemporaryDirectory() as folder:
        server = run.BackgroundServer(settings.Settings(port=0, data_dir=Path(folder)))
        connection = HTTPConnection(urlsplit(server.url).netloc)
        put = [{"id": name, "source": name, "text": text} for name, text in documents.items()]
        job = ""
        for first in range(0, len(put), 500):
            job = _post(connection, "/datasets/all/documents", put[first : first + 500], "PUT")["job_id"]
        while _post(connection, f"/jobs/prepare-retrieval/{job}/status", None, "GET")["job_status"] != "COMPLETE":
            time.sleep(0.05)

        def search(query: str) -> list[str]:
            found = _post(connection, "/datasets/all/search", {"query": query, "k": HITS})["retrieved_chunks"]
            return [chunk["source"] for chunk in found]

        yield search
        connection.close()
        server.stop()


CONTESTANTS: Final = {
    "ours, HTTP": ours,
    "LanceDB alone, HTTP": lancedb_alone,
    "LangChain": langchain,
    "LlamaIndex": llamaindex,
}


def _post(connection: HTTPConnection, path: str, body: Any, method: str = "POST") -> Any:
    headers = {"Content-Type": "application/json", "X-Api-Key": "a-key"}
    connection.request(method, path, None if body is None else json.dumps(body).encode(), headers)
    response = connection.getresponse()
    answer = response.read()
    if response.status != 200:
        raise RuntimeError(f"{path}: got {response.status} {answer[:300]!r}")
    return json.loads(answer)


def serve(name: str) -> None:
    """Answer each line of the standard input."""
    logging.disable(logging.WARNING)
    for line in sys.stdin:
        asked = json.loads(line)
        ranked, milliseconds = {}, []
        with CONTESTANTS[name](asked["documents"]) as search:
            search("warm")
            for key, query in asked["queries"].items():
                started = time.process_time()
                found = search(query)
                milliseconds.append(1000 * (time.process_time() - started))
                ranked[key] = list(dict.fromkeys(found))
        print(json.dumps({"ranked": ranked, "milliseconds": milliseconds}), flush=True)


if __name__ == "__main__":
    serve(sys.argv[1])
