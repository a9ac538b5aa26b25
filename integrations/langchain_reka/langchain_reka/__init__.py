"""LangChain integration for Reka's models and retrieval datasets: chat model, retriever, vector store, embeddings.

    from langchain_reka import ChatReka, RekaRetriever, RekaVectorStore

    ChatReka().invoke("What is a monad?").text
    RekaRetriever(dataset="manual", k=4).invoke("How do I reset it?")
    RekaVectorStore(dataset="notes").add_texts(["The lamp needs 5 watts."])

Without arguments, the API key and the server's address come from `reka` or the environment.
"""

import reka.adapters  # noqa: F401  # first: it says so if files of another package lie over those of `reka`
from langchain_reka.chat_models import ChatReka
from langchain_reka.retrieval.embeddings import RekaEmbeddings
from langchain_reka.retrievers import RekaRetriever
from langchain_reka.vectorstores import RekaVectorStore

__all__ = ["ChatReka", "RekaEmbeddings", "RekaRetriever", "RekaVectorStore"]
