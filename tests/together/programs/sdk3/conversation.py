"""A conversation of several turns, kept as messages."""

import os

from reka import ChatMessage
from reka.client import Reka

client = Reka(api_key=os.environ["REKA_API_KEY"], base_url=os.environ["SERVER"] + "/v1")
messages = []
for number in (2, 3, 4):
    messages.append(ChatMessage(role="user", content=f"Please count to {number}."))
    response = client.chat.create(messages=messages, model="reka-flash", max_tokens=64, temperature=0.4)
    messages.append(response.responses[0].message)

assert [message.role for message in messages] == ["user", "assistant"] * 3
assert messages[1].content.strip() == "1 2"
assert response.responses[0].finish_reason == "stop"
assert response.usage.output_tokens > 0 and response.usage.input_tokens > 0
assert response.id and response.model
assert messages[0] == ChatMessage(role="user", content="Please count to 2.")
print("done")
