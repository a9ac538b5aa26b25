"""The OpenAI SDK's chat and models, sync and async; writes what came back as JSON. Run it with an address and a key."""

import asyncio
import json
import sys

import openai
from openai import AsyncOpenAI, OpenAI
from pydantic import BaseModel

url, key = sys.argv[1:]
address = f"{url}/v1"
MODEL = "reka-flash"
COUNT = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Please count to 9."}]
SUM = {"role": "user", "content": "Use the tool to multiply 6 by 7."}
MULTIPLY = {
    "type": "function",
    "function": {
        "name": "multiply",
        "description": "Multiply two numbers",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    },
}


class Event(BaseModel):
    name: str
    people: int


EVENT = [{"role": "user", "content": 'The event is called "Spring fair", with 12 people.'}]


def after_tools(message):
    """The conversation with the results of the tools that a message calls."""
    results = []
    for call in message.tool_calls:
        arguments = json.loads(call.function.arguments)
        result = str(arguments["a"] * arguments["b"])
        results.append({"role": "tool", "tool_call_id": call.id, "content": result})
    return [SUM, message, *results]


def refusal(call):
    try:
        call()
    except openai.APIStatusError as error:
        return {"class": type(error).__name__, "status": error.status_code, "type": error.type, "said": error.message}
    return None


def deltas(chunks):
    return [chunk.choices[0].delta.content for chunk in chunks if chunk.choices and chunk.choices[0].delta.content]


def chats(client):
    chat = client.chat.completions.create(model=MODEL, messages=COUNT)
    chunks = list(client.chat.completions.create(model=MODEL, messages=COUNT, stream=True))
    counted = list(
        client.chat.completions.create(model=MODEL, messages=COUNT, stream=True, stream_options={"include_usage": True})
    )
    with client.chat.completions.stream(model=MODEL, messages=COUNT) as stream:
        events = [event.type for event in stream]
        gathered = stream.get_final_completion().choices[0].message.content
    sampled = client.chat.completions.create(
        model=MODEL,
        messages=COUNT,
        max_completion_tokens=5,
        stop=["4"],
        temperature=0.2,
        seed=1,
        top_p=0.9,
        frequency_penalty=0.1,
        presence_penalty=0.1,
        user="somebody",
    )
    return {
        "chat": chat.model_dump(),
        "request id": chat._request_id,
        "stream": deltas(chunks),
        "stream ends": chunks[-1].choices[0].finish_reason,
        "stream with usage": deltas(counted),
        "usage": counted[-1].model_dump(),
        "events": sorted(set(events)),
        "gathered": gathered,
        "sampled": sampled.model_dump(),
    }


def tools(client):
    called = client.chat.completions.create(model=MODEL, messages=[SUM], tools=[MULTIPLY]).choices[0]
    ended = client.chat.completions.create(model=MODEL, messages=after_tools(called.message), tools=[MULTIPLY])
    forced = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Here are 2 and 3."}],
        tools=[MULTIPLY],
        tool_choice={"type": "function", "function": {"name": "multiply"}},
    )
    with client.chat.completions.stream(model=MODEL, messages=[SUM], tools=[MULTIPLY]) as stream:
        pieces = [event.arguments_delta for event in stream if event.type == "tool_calls.function.arguments.delta"]
        message = stream.get_final_completion().choices[0].message
    streamed = client.chat.completions.create(model=MODEL, messages=after_tools(message), tools=[MULTIPLY], stream=True)
    return {
        "call": called.model_dump(),
        "after tools": ended.choices[0].message.content,
        "forced": forced.choices[0].message.tool_calls[0].function.arguments,
        "pieces": pieces,
        "streamed call": message.model_dump(),
        "streamed after tools": "".join(deltas(streamed)),
    }


def structured(client):
    parsed = client.chat.completions.parse(model=MODEL, messages=EVENT, response_format=Event)
    with client.chat.completions.stream(model=MODEL, messages=EVENT, response_format=Event) as stream:
        streamed = stream.get_final_completion()
    loose = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "JSON with the key 'place'."}],
        response_format={"type": "json_object"},
    )
    return {
        "parsed": parsed.choices[0].message.parsed.model_dump(),
        "streamed parsed": streamed.choices[0].message.parsed.model_dump(),
        "json": json.loads(loose.choices[0].message.content),
    }


def refusals(client):
    stranger = OpenAI(api_key="a-wrong-key", base_url=address, max_retries=0)
    return {
        "wrong key": refusal(lambda: stranger.chat.completions.create(model=MODEL, messages=COUNT)),
        "wrong key in a stream": refusal(
            lambda: stranger.chat.completions.create(model=MODEL, messages=COUNT, stream=True)
        ),
        "no messages": refusal(lambda: client.chat.completions.create(model=MODEL, messages=[])),
        "unknown role": refusal(
            lambda: client.chat.completions.create(model=MODEL, messages=[{"role": "robot", "content": "Hi"}])
        ),
        "unknown model": refusal(lambda: client.models.retrieve("no-such-model")),
    }


async def at_once():
    async with AsyncOpenAI(api_key=key, base_url=address, max_retries=0) as client:
        answers = await asyncio.gather(
            *(
                client.chat.completions.create(
                    model=MODEL, messages=[{"role": "user", "content": f"count to {number}"}]
                )
                for number in range(1, 11)
            )
        )
        stream = await client.chat.completions.create(model=MODEL, messages=COUNT, stream=True)
        parsed = await client.chat.completions.parse(model=MODEL, messages=EVENT, response_format=Event)
        return {
            "models": [model.id async for model in client.models.list()],
            "answers": [answer.choices[0].message.content for answer in answers],
            "stream": deltas([chunk async for chunk in stream]),
            "parsed": parsed.choices[0].message.parsed.model_dump(),
        }


with OpenAI(api_key=key, base_url=address, max_retries=0) as client:
    seen = {
        "models": [model.id for model in client.models.list()],
        "model": client.models.retrieve(MODEL).id,
        **chats(client),
        **tools(client),
        **structured(client),
        **refusals(client),
        "async": asyncio.run(at_once()),
    }
print(json.dumps(seen))
