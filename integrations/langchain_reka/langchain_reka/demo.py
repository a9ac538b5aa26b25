"""LangChain's step of `reka demo`, which finds this module as an entry point of the group `reka.demo`."""

from typing import Final

import reka
from langchain_reka.chat_models import ChatReka
from langchain_reka.retrievers import RekaRetriever

QUESTION: Final = "When are default parameter values evaluated?"
CODE: Final = "ChatReka(retrieval_dataset=...).invoke(...), RekaRetriever(dataset=...).invoke(...)"


def ask(base_url: str, dataset: str) -> tuple[str, list[reka.RetrievedChunk]]:
    """Put the question to a server about a dataset; return the answer and the retrieved chunks."""
    model = ChatReka(base_url=base_url, retrieval_dataset=dataset)
    retriever = RekaRetriever(dataset=dataset, k=3, base_url=base_url, with_scores=True)
    chunks: list[reka.RetrievedChunk] = [
        {
            "text": document.page_content,
            "source": document.metadata["source"],
            "score": document.metadata["score"],
        }
        for document in retriever.invoke(QUESTION)
    ]
    return str(model.invoke(QUESTION).content), chunks
