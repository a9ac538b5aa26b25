"""A LangGraph graph with a checkpointer: the conversation is kept between two calls.

Run it as `agent.py`; any model will do, also the quoting one of REKA_BASE_URL=local.
"""

from langchain_core.messages import HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import START, MessagesState, StateGraph

from langchain_reka import ChatReka

model = ChatReka()


def answer(state: MessagesState) -> MessagesState:
    """Let the model answer the conversation so far."""
    return {"messages": [model.invoke(state["messages"])]}


graph = StateGraph(MessagesState).add_node(answer).add_edge(START, "answer").compile(checkpointer=InMemorySaver())
thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
for question in ("Hi, my name is John.", "What was my name?"):
    state = graph.invoke({"messages": [HumanMessage(question)]}, thread)
    print(state["messages"][-1].text)
print(len(state["messages"]), "messages are kept")
