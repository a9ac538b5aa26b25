"""The demo's question to LangChain's and LlamaIndex's objects; each framework may be missing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final

import reka


@dataclass(frozen=True, slots=True)
class Framework:
    """One framework that Reka's models and datasets can be used from.

    Attributes:
        name: What it calls itself.
        package: The distribution that connects it to Reka.
        needs: Modules that must be there.
        question: What the demo asks it.
        code: The calls that `ask` makes, in short.
        ask: Asks a server (its address) a question about a dataset; gives the answer and the chunks.
    """

    name: str
    package: str
    needs: Sequence[str]
    question: str
    code: str
    ask: Callable[[str, str, str], tuple[str, list[reka.RetrievedChunk]]]

    def is_installed(self) -> bool:
        """Whether everything it needs is there; nothing is imported to find out."""
        return all(_is_there(module) for module in self.needs)


_CHUNKS: Final = 3


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except (ModuleNotFoundError, ValueError):  # its parent is missing; or it is forbidden, None in sys.modules
        return False


def _ask_langchain(address: str, dataset: str, question: str) -> tuple[str, list[reka.RetrievedChunk]]:
    from langchain_reka import ChatReka, RekaRetriever

    model = ChatReka(base_url=address, retrieval_dataset=dataset)
    retriever = RekaRetriever(dataset=dataset, k=_CHUNKS, base_url=address)
    answer = model.invoke(question).content
    found = [_chunk(document.page_content, document.metadata) for document in retriever.invoke(question)]
    return str(answer), found


def _ask_llamaindex(address: str, dataset: str, question: str) -> tuple[str, list[reka.RetrievedChunk]]:
    from llamaindex_reka import RekaLLM, RekaRetriever

    llm = RekaLLM(base_url=address, retrieval_dataset=dataset)
    retriever = RekaRetriever(dataset=dataset, similarity_top_k=_CHUNKS, base_url=address)
    answer = llm.complete(question).text
    found = [_chunk(node.text, node.metadata) for node in retriever.retrieve(question)]
    return answer, found


def _chunk(text: str, metadata: dict[str, object]) -> reka.RetrievedChunk:
    chunk: reka.RetrievedChunk = {"text": text}
    source, score = metadata.get("source"), metadata.get("score")
    if isinstance(source, str):
        chunk["source"] = source
    if isinstance(score, float):
        chunk["score"] = score
    return chunk


FRAMEWORKS: Final = (
    Framework(
        "LangChain",
        "langchain-reka",
        ("langchain_reka", "langchain_core"),
        "When are default parameter values evaluated?",
        "ChatReka(retrieval_dataset=...).invoke(...), RekaRetriever(dataset=...).invoke(...)",
        _ask_langchain,
    ),
    Framework(
        "LlamaIndex",
        "llamaindex-reka",
        ("llamaindex_reka", "llama_index.core"),
        "What does the nonlocal statement do?",
        "RekaLLM(retrieval_dataset=...).complete(...), RekaRetriever(dataset=...).retrieve(...)",
        _ask_llamaindex,
    ),
)
