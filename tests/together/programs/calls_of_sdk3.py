"""Every public call of `reka-api` 3, its results and its errors field by field, as JSON."""

import asyncio
import json
import os

from reka import ChatMessage, Tool, ToolOutput, TypedMediaContent, TypedText
from reka.client import AsyncReka, Reka
from reka.core import ApiError
from reka.errors import UnprocessableEntityError

address = os.environ["SERVER"] + "/v1"
COUNT = [ChatMessage(role="user", content="Please count to 5.")]
SUM = ChatMessage(role="user", content="Use the tool to multiply 6 by 7.")
MULTIPLY = Tool(
    name="multiply",
    description="Multiply two numbers",
    parameters={"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}}},
)
GIF = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
PARTS = [TypedMediaContent(type="image_url", image_url=GIF), TypedText(type="text", text="What is this?")]
OPTIONS = {"max_tokens": 5, "stop": ["4"], "temperature": 0.2, "seed": 1, "top_k": 10, "top_p": 0.9}
PENALTIES = {"frequency_penalty": 0.1, "presence_penalty": 0.1, "use_search_engine": False}
seen = {}


def plain(value):
    if isinstance(value, list):
        return [plain(each) for each in value]
    document = json.loads(value.json())
    for response in document.get("responses", []):
        for call in response.get("message", response.get("chunk"))["tool_calls"] if "tool" in value.json() else []:
            call["id"] = "an-id"
    return document


def record(name, call):
    try:
        seen[name] = {"result": plain(call())}
    except Exception as error:
        seen[name] = {
            "classes": [kind.__name__ for kind in (ApiError, UnprocessableEntityError) if isinstance(error, kind)],
            "status": error.status_code,
            "has a body": bool(error.body),
        }


def after_tools(message):
    outputs = [ToolOutput(tool_call_id=call.id, output="42") for call in message.tool_calls]
    return [SUM, message, ChatMessage(role="tool_output", content=outputs)]


client = Reka(api_key=os.environ["REKA_API_KEY"], base_url=address)
create, stream = client.chat.create, client.chat.create_stream
record("models.get", client.models.get)
record("chat.create", lambda: create(messages=COUNT, model="reka-flash"))
record("chat.create, dicts", lambda: create(messages=[{"role": "user", "content": "count to 2"}], model="reka-flash"))
record("chat.create, media", lambda: create(messages=[ChatMessage(role="user", content=PARTS)], model="reka-flash"))
record("chat.create, options", lambda: create(messages=COUNT, model="reka-flash", **OPTIONS, **PENALTIES))
record(
    "chat.create, request_options",
    lambda: create(messages=COUNT, model="reka-flash", request_options={"timeout_in_seconds": 30, "max_retries": 1}),
)
record("chat.create, tools", lambda: create(messages=[SUM], model="reka-flash", tools=[MULTIPLY], tool_choice="auto"))
called = create(messages=[SUM], model="reka-flash", tools=[MULTIPLY]).responses[0].message
record("chat.create, outputs", lambda: create(messages=after_tools(called), model="reka-flash", tools=[MULTIPLY]))
record("chat.create, nothing", lambda: create(messages=[], model="reka-flash"))
record("chat.create, model", lambda: create(messages=COUNT, model="reka-core"))
record("chat.create_stream", lambda: list(stream(messages=COUNT, model="reka-flash")))
record("chat.create_stream, tools", lambda: list(stream(messages=[SUM], model="reka-flash", tools=[MULTIPLY])))
record("chat.create_stream, nothing", lambda: list(stream(messages=[], model="reka-flash")))
stranger = Reka(api_key="a-wrong-key", base_url=address)
record("models.get, wrong key", stranger.models.get)
record("chat.create, wrong key", lambda: stranger.chat.create(messages=COUNT, model="reka-flash"))
record("chat.create_stream, wrong key", lambda: list(stranger.chat.create_stream(messages=COUNT, model="reka-flash")))


async def gather(chunks):
    return [chunk async for chunk in chunks]


def twin(call):
    async def run():
        return await call(AsyncReka(api_key=os.environ["REKA_API_KEY"], base_url=address))

    return lambda: asyncio.run(run())


record("async models.get", twin(lambda client: client.models.get()))
record("async chat.create", twin(lambda client: client.chat.create(messages=COUNT, model="reka-flash")))
record("async chat.create_stream", twin(lambda c: gather(c.chat.create_stream(messages=COUNT, model="reka-flash"))))
print(json.dumps(seen))
