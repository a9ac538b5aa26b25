"""Evaluates many prompts at once with the async client, a few at a time; failures are counted, not raised."""

import asyncio
import os

from reka import ChatMessage
from reka.client import AsyncReka
from reka.core.api_error import ApiError

PROMPTS = [f"Please count to {number}." for number in range(1, 11)]


async def evaluate(client, limit, prompt):
    async with limit:
        answer = await client.chat.create(
            messages=[ChatMessage(role="user", content=prompt)], model="reka-flash", seed=1, top_p=0.9, top_k=40
        )
        return answer.responses[0].message.content


async def main():
    client = AsyncReka(api_key=os.environ["REKA_API_KEY"], base_url=os.environ["SERVER"] + "/v1")
    limit = asyncio.Semaphore(4)
    answers = await asyncio.gather(*(evaluate(client, limit, prompt) for prompt in PROMPTS))
    assert [answer.split()[-1] for answer in answers] == [str(number) for number in range(1, 11)]

    stranger = AsyncReka(api_key="a-wrong-key", base_url=os.environ["SERVER"] + "/v1")
    failures = await asyncio.gather(
        *(evaluate(stranger, limit, prompt) for prompt in PROMPTS[:2]), return_exceptions=True
    )
    assert all(isinstance(failure, ApiError) and failure.status_code == 401 for failure in failures), failures

    text = ""
    async for chunk in client.chat.create_stream(
        messages=[ChatMessage(role="user", content="Please count to 4.")], model="reka-flash"
    ):
        text = chunk.responses[0].chunk.content
    assert text == "1 2 3 4"
    assert "reka-flash" in [model.id for model in await client.models.get()]


asyncio.run(main())
print("done")
