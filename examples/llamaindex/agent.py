"""An agent that calls tools until it can answer. It needs a model that calls tools.

Run it with `REKA_API_KEY=... python examples/llamaindex/agent.py "Add 3 and 4, then multiply the result by 5."`.
"""

import asyncio
import sys

from llama_index.core.agent.workflow import AgentStream, FunctionAgent, ToolCallResult

from llamaindex_reka import RekaLLM


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def multiply(a: int, b: int) -> int:
    """Multiply two numbers."""
    return a * b


async def main(question: str) -> None:
    llm = RekaLLM()
    run = FunctionAgent(tools=[add, multiply], llm=llm).run(question)
    async for event in run.stream_events():
        if isinstance(event, ToolCallResult):
            print(f"{event.tool_name}({event.tool_kwargs}) = {event.tool_output}")
        elif isinstance(event, AgentStream):
            print(event.delta, end="", flush=True)
    print()
    await run
    await llm.aclose()


asyncio.run(main(sys.argv[1]))
