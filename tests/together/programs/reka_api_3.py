"""`reka-api` 3 as its guide uses it, sync and async; writes what it saw as JSON. Run it with an address and a key."""

import asyncio
import json
import sys

import reka
from reka import ChatMessage, Tool, ToolOutput, TypedMediaContent, TypedText
from reka.client import AsyncReka, Reka
from reka.core import ApiError

url, key = sys.argv[1:]
address = f"{url}/v1"
MODEL = "reka-flash"
COUNT = ChatMessage(role="user", content="Please count to 9.")
SUM = ChatMessage(role="user", content="Use the tool to multiply 6 by 7.")
MULTIPLY = Tool(
    name="multiply",
    description="Multiply two numbers",
    parameters={
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a", "b"],
    },
)
IMAGE = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="


def plain(answer):
    return json.loads(answer.json())


def texts(chunks):
    return [chunk.responses[0].chunk.content for chunk in chunks]


def after_tools(message):
    """The conversation with the outputs of the tools that a message calls."""
    outputs = [
        ToolOutput(tool_call_id=call.id, output=str(call.parameters["a"] * call.parameters["b"]))
        for call in message.tool_calls
    ]
    return [SUM, message, ChatMessage(role="tool_output", content=outputs)]


def refusal(call):
    try:
        call()
    except ApiError as error:
        return {"class": type(error).__name__, "status": error.status_code, "body": str(error.body)}
    return None


def sync():
    client = Reka(api_key=key, base_url=address)
    seen = {"version": reka.__version__, "models": [model.id for model in client.models.get()]}
    seen["chat"] = plain(client.chat.create(messages=[COUNT], model=MODEL))
    seen["as dict"] = plain(client.chat.create(messages=[{"role": "user", "content": "count to 2"}], model=MODEL))
    seen["parts"] = plain(
        client.chat.create(
            messages=[
                ChatMessage(
                    role="user",
                    content=[
                        TypedMediaContent(type="image_url", image_url=IMAGE),
                        TypedText(type="text", text="What is in the picture?"),
                    ],
                )
            ],
            model=MODEL,
        )
    )
    seen["sampled"] = plain(
        client.chat.create(
            messages=[COUNT],
            model=MODEL,
            max_tokens=5,
            stop=["4"],
            temperature=0.2,
            seed=1,
            top_k=10,
            top_p=0.9,
            frequency_penalty=0.1,
            presence_penalty=0.1,
            use_search_engine=False,
        )
    )
    chunks = list(client.chat.create_stream(messages=[COUNT], model=MODEL))
    seen["stream"] = texts(chunks)
    seen["last chunk"] = plain(chunks[-1])

    called = client.chat.create(messages=[SUM], model=MODEL, tools=[MULTIPLY], tool_choice="auto").responses[0]
    seen["call"] = plain(called)
    ended = client.chat.create(messages=after_tools(called.message), model=MODEL, tools=[MULTIPLY])
    seen["after tools"] = plain(ended)
    *_, last = client.chat.create_stream(messages=[SUM], model=MODEL, tools=[MULTIPLY], tool_choice="tool")
    seen["streamed call"] = plain(last)
    seen["streamed after tools"] = texts(
        client.chat.create_stream(messages=after_tools(last.responses[0].chunk), model=MODEL, tools=[MULTIPLY])
    )

    stranger = Reka(api_key="a-wrong-key", base_url=address)
    seen["wrong key"] = refusal(lambda: stranger.chat.create(messages=[COUNT], model=MODEL))
    seen["wrong key in a stream"] = refusal(lambda: list(stranger.chat.create_stream(messages=[COUNT], model=MODEL)))
    seen["wrong body"] = refusal(lambda: client.chat.create(messages=[], model=MODEL))
    seen["wrong body in a stream"] = refusal(lambda: list(client.chat.create_stream(messages=[], model=MODEL)))
    return seen


async def at_once():
    client = AsyncReka(api_key=key, base_url=address)
    answers = await asyncio.gather(
        *(
            client.chat.create(messages=[ChatMessage(role="user", content=f"count to {number}")], model=MODEL)
            for number in range(1, 11)
        )
    )
    called = (await client.chat.create(messages=[SUM], model=MODEL, tools=[MULTIPLY])).responses[0].message
    ended = await client.chat.create(messages=after_tools(called), model=MODEL, tools=[MULTIPLY])
    return {
        "models": [model.id for model in await client.models.get()],
        "answers": [answer.responses[0].message.content for answer in answers],
        "stream": texts([chunk async for chunk in client.chat.create_stream(messages=[COUNT], model=MODEL)]),
        "after tools": plain(ended),
    }


print(json.dumps({**sync(), "async": asyncio.run(at_once())}))
