"""What happens inside a chain, as it happens.

Run it as `agent.py`; any model will do, also the quoting one of REKA_BASE_URL=local.
"""

import asyncio

from langchain_core.output_parsers import StrOutputParser
from langchain_core.prompts import ChatPromptTemplate

from langchain_reka import ChatReka


async def main() -> None:
    """Print the events of one call."""
    model = ChatReka()
    chain = ChatPromptTemplate.from_template("Repeat: {words}") | model | StrOutputParser()
    async for event in chain.astream_events({"words": "a small step"}, version="v2"):
        told = event["data"].get("chunk", "")
        print(event["event"], event["name"], repr(getattr(told, "text", told)))
    await model.aclose()


asyncio.run(main())
