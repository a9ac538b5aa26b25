"""LangChain integration for Reka's models and retrieval datasets: a chat model and a retriever.

    from langchain_reka import ChatReka, RekaRetriever

    ChatReka().invoke("What is a monad?").text
    RekaRetriever(dataset="manual", k=4).invoke("How do I reset it?")

Without arguments, the API key and the server's address come from `reka` or the environment.
"""

import reka.adapters  # noqa: F401  # first: it says so if files of another package lie over those of `reka`
from langchain_reka.chat_models import ChatReka
from langchain_reka.retrievers import RekaRetriever

__all__ = ["ChatReka", "RekaRetriever"]
