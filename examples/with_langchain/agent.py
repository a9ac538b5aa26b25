"""An agent with two tools, through three turns, as it is written.

It needs a language model that calls tools: run `REKA_API_KEY=... python examples/with_langchain/agent.py`, or start
`reka serve --upstream URL` and set REKA_BASE_URL to its address.
"""

from langchain.agents import create_agent
from langchain_core.messages import BaseMessage, HumanMessage
from langchain_core.runnables import RunnableConfig
from langgraph.checkpoint.memory import InMemorySaver

from langchain_reka import ChatReka


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


agent = create_agent(ChatReka(), [multiply, add], system_prompt="Use the tools.", checkpointer=InMemorySaver())
thread: RunnableConfig = {"configurable": {"thread_id": "1"}}
for question in (
    "My name is John. Multiply 3 by 4, then add 5 to the result.",
    "Add 20 and 22.",
    "What is my name?",
):
    print(f"\n> {question}")
    asked = {"messages": [HumanMessage(question)]}
    for message, _ in agent.stream(asked, thread, stream_mode="messages"):  # type: ignore[call-overload]  # its own state
        assert isinstance(message, BaseMessage)
        for call in getattr(message, "tool_calls", []):
            print(f"{call['name']}({call['args']})")
        print(message.text, end="\n" if message.type == "tool" else "", flush=True)
print()
