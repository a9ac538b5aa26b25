"""The OpenAI SDK on a host of the OpenAI form; writes what came back as JSON. Run it with an address and a key."""

import json
import sys

import openai
from openai import OpenAI
from pydantic import BaseModel

url, key = sys.argv[1:]
EDGE = "reka-edge-2603"
REASONER = "deepseek4-flash"
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
LOOK = [
    {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
    {"type": "text", "text": "What is this?"},
]


class Event(BaseModel):
    name: str
    people: int


def refusal(**changes):
    try:
        client.chat.completions.create(**{"model": EDGE, "messages": COUNT, **changes})
    except openai.APIStatusError as error:
        return [type(error).__name__, error.status_code, error.type, error.param]
    return None


def text_of(chunks):
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)


with OpenAI(api_key=key, base_url=f"{url}/v1", max_retries=0) as client:
    create = client.chat.completions.create
    chat = create(model=REASONER, messages=COUNT)
    streamed = list(create(model=REASONER, messages=COUNT, stream=True, stream_options={"include_usage": True}))
    looked = create(model=EDGE, messages=[{"role": "user", "content": LOOK}])
    called = create(model=EDGE, messages=[SUM], tools=[MULTIPLY]).choices[0].message
    result = {"role": "tool", "tool_call_id": called.tool_calls[0].id, "content": "42"}
    ended = create(model=EDGE, messages=[SUM, called, result], tools=[MULTIPLY])
    with client.chat.completions.stream(model=EDGE, messages=[SUM], tools=[MULTIPLY]) as stream:
        streamed_call = stream.get_final_completion().choices[0].message.tool_calls[0]
    event = {"role": "user", "content": 'The event is called "Spring fair", with 12 people.'}
    parsed = client.chat.completions.parse(model=EDGE, messages=[event], response_format=Event)
    seen = {
        "models": [model.id for model in client.models.list()],
        "chat": chat.model_dump(),
        "request id": chat._request_id,
        "stream": text_of(streamed),
        "stream's usage": streamed[-1].usage.model_dump(),
        "image": looked.choices[0].message.content,
        "call": called.tool_calls[0].function.model_dump(),
        "streamed call": streamed_call.function.arguments,
        "after the call": ended.choices[0].message.content,
        "parsed": parsed.choices[0].message.parsed.model_dump(),
        "no such model": refusal(model="no-such-model"),
        "no such field": refusal(user="somebody"),
        "no json_object": refusal(response_format={"type": "json_object"}),
    }
print(json.dumps(seen))
