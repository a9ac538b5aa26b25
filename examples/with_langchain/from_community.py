"""A program written for `langchain_community.chat_models.ChatReka`, with nothing but the import changed.

Run it as `agent.py`: it needs a language model that sees and calls tools.
"""

from langchain_core.messages import HumanMessage
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.tools import tool
from langgraph.prebuilt import create_react_agent

from langchain_reka import ChatReka  # was: from langchain_community.chat_models import ChatReka

model = ChatReka(max_tokens=256, temperature=0.1, default_request_timeout=60, max_retries=2)
print(model.invoke("hi").content)

# Pictures: one, and several.
first, second = (
    {"type": "image_url", "image_url": {"url": f"https://example.com/{name}.jpg"}} for name in ("one", "two")
)
print(model.invoke([HumanMessage(content=[{"type": "text", "text": "What is the weather here?"}, first])]).content)
question = {"type": "text", "text": "What is the difference between these?"}
print(model.invoke([HumanMessage(content=[question, first, second])]).content)

# A chain.
prompt = ChatPromptTemplate.from_messages(
    [("system", "You translate {source} to {target}."), ("human", "Repeat: {sentence}")]
)
print((prompt | model).invoke({"source": "English", "target": "German", "sentence": "I love to program."}).content)


# Tools, and an agent.
@tool
def search(query: str) -> str:
    """Search the web."""
    return f"Nothing was found for {query}"


print(model.bind_tools([search]).invoke([HumanMessage(content="Search for 'the weather in Ulm'.")]).tool_calls)
agent = create_react_agent(model, [search])
for update in agent.stream({"messages": [HumanMessage(content="Search for 'the weather in Ulm'.")]}):
    for step in update.values():
        print(step["messages"][-1].content)
for chunk in model.stream("Count to 5"):
    print(chunk.content, end="", flush=True)
print()
