"""LlamaIndex integration for Reka's models and retrieval datasets: LLM, retriever, managed index, embeddings.

    from llamaindex_reka import RekaIndex, RekaLLM, RekaRetriever

    RekaLLM().complete("What is a monad?").text
    RekaIndex.from_documents(documents).as_query_engine().query("How do I reset it?")
    RekaRetriever(dataset="manual", similarity_top_k=4).retrieve("How do I reset it?")

Without arguments, the API key and the server's address come from `reka` or the environment.
"""

import reka.adapters  # noqa: F401  # first: it says so if files of another package lie over those of `reka`
from llamaindex_reka.documents.changes import DatasetImmutableError
from llamaindex_reka.documents.embedding import RekaEmbeddings
from llamaindex_reka.index import RekaIndex
from llamaindex_reka.llm import RekaLLM
from llamaindex_reka.query_engine import RekaQueryEngine
from llamaindex_reka.retriever import RekaRetriever

__all__ = ["DatasetImmutableError", "RekaEmbeddings", "RekaIndex", "RekaLLM", "RekaQueryEngine", "RekaRetriever"]
