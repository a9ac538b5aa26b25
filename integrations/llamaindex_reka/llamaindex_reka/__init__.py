"""Reka's models and retrieval datasets in LlamaIndex.

from llamaindex_reka import RekaLLM, RekaRetriever

RekaLLM().complete("What is a monad?").text
RekaRetriever(dataset="manual", similarity_top_k=4).retrieve("How do I reset it?")
"""

from llamaindex_reka.llm import RekaLLM
from llamaindex_reka.retriever import RekaRetriever

__all__ = ["RekaLLM", "RekaRetriever"]
