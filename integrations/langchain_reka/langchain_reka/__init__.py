"""Reka's models and retrieval datasets in LangChain.

from langchain_reka import ChatReka, RekaRetriever

ChatReka().invoke("What is a monad?").text
RekaRetriever(dataset="manual", k=4).invoke("How do I reset it?")
"""

from langchain_reka.chat_models import ChatReka
from langchain_reka.retrievers import RekaRetriever

__all__ = ["ChatReka", "RekaRetriever"]
