"""An agent: calls tools for as long as the model asks for them."""

import json
import os

from reka import ChatMessage, Tool, ToolCall, ToolOutput
from reka.client import Reka

TOOLS = {"multiply": lambda a, b: a * b}
SPECIFICATIONS = [
    Tool(
        name="multiply",
        description="Multiply two numbers",
        parameters={
            "type": "object",
            "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
            "required": ["a", "b"],
        },
    )
]
client = Reka(api_key=os.environ["REKA_API_KEY"], base_url=os.environ["SERVER"] + "/v1")


def run(task, most=5):
    messages = [ChatMessage(role="user", content=task)]
    for _ in range(most):
        answer = client.chat.create(messages=messages, model="reka-flash", tools=SPECIFICATIONS, tool_choice="auto")
        message = answer.responses[0].message
        if not message.tool_calls:
            return message.content, messages
        outputs = [
            ToolOutput(tool_call_id=call.id, output=json.dumps(TOOLS[call.name](**call.parameters)))
            for call in message.tool_calls
        ]
        calls = [ToolCall(id=call.id, name=call.name, parameters=call.parameters) for call in message.tool_calls]
        messages.append(ChatMessage(role="assistant", content=message.content, tool_calls=calls))
        messages.append(ChatMessage(role="tool_output", content=outputs))
    raise SystemExit("no end")


text, messages = run("Use the tool to multiply 6 by 7.")
assert text == "The result is 42.", text
assert [message.role for message in messages] == ["user", "assistant", "tool_output"]
assert messages[1].tool_calls[0].parameters == {"a": 6, "b": 7}
assert messages[1].dict()["tool_calls"][0]["name"] == "multiply"
print("done")
