"""Ask a hundred questions at once, and stream one answer, with the async client.

Run it with `REKA_BASE_URL=local python examples/many_at_once.py`.
"""

import asyncio

import reka


async def main() -> None:
    async with reka.AsyncReka() as client:
        answers = await asyncio.gather(*(client.chat(f"My number is {number}.") for number in range(100)))
        print(len(answers), "answers")
        async for event in client.stream("Hi, my name is John."):
            print(event.text, end="", flush=True)
        print()


asyncio.run(main())
