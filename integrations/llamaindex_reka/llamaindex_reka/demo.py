"""LlamaIndex's step of `reka demo`, which finds this module as an entry point of the group `reka.demo`."""

from typing import Final

import reka
from llamaindex_reka.llm import RekaLLM
from llamaindex_reka.retriever import RekaRetriever

QUESTION: Final = "What does the nonlocal statement do?"
CODE: Final = "RekaLLM(retrieval_dataset=...).complete(...), RekaRetriever(dataset=...).retrieve(...)"


def ask(base_url: str, dataset: str) -> tuple[str, list[reka.RetrievedChunk]]:
    """Put the question to a server about a dataset; return the answer and the retrieved chunks."""
    llm = RekaLLM(base_url=base_url, retrieval_dataset=dataset)
    retriever = RekaRetriever(dataset=dataset, similarity_top_k=3, base_url=base_url)
    chunks: list[reka.RetrievedChunk] = [
        {"text": node.text, "source": node.metadata["source"], "score": node.metadata["score"]}
        for node in retriever.retrieve(QUESTION)
    ]
    return llm.complete(QUESTION).text, chunks
