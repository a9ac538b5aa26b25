"""A chain that answers from your own texts, as it is written. No key, no network: the server is inside this process.

Run it with `python examples/with_langchain/rag_chain.py`.
"""

from langchain_core.documents import Document
from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.runnables import RunnablePassthrough

import reka
from langchain_reka import ChatReka, RekaRetriever

reka.BASE_URL = reka.BASE_URL or "local"

documents = [
    Document("To reset the lamp, hold the button for ten seconds.", metadata={"source": "reset.txt"}),
    Document("The lamp draws five watts from any USB port.", metadata={"source": "power.txt"}),
]
retriever = RekaRetriever.from_documents(documents, dataset="lamp", k=2)
prompt = ChatPromptTemplate.from_template("Context:\n{context}\n\nQuestion: {question}")


def as_text(found: list[Document]) -> str:
    """Put passages one below the other."""
    return "\n".join(document.page_content for document in found)


chain = {"context": retriever | as_text, "question": RunnablePassthrough()} | prompt | ChatReka() | StrOutputParser()
for piece in chain.stream("How do I reset the lamp?"):
    print(piece, end="", flush=True)
print()

# Or let the server retrieve and answer in one call; the answer carries what was found.
answer = ChatReka(retrieval_dataset=retriever.dataset).invoke("How many watts does the lamp draw?")
print(answer.text)
for chunk in answer.response_metadata["retrieved_chunks"]:
    print(f"{chunk['score']:.2f}  {chunk['source']}")
