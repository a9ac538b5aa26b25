"""A front end that shows an answer while it is written: each chunk has the text so far."""

import os

from reka import ChatMessage
from reka.client import Reka

client = Reka(api_key=os.environ["REKA_API_KEY"], base_url=os.environ["SERVER"] + "/v1", timeout=60)
shown, pieces, finish = "", [], None
for chunk in client.chat.create_stream(
    messages=[ChatMessage(role="user", content="Please count to 9.")], model="reka-flash"
):
    text = chunk.responses[0].chunk.content
    assert text.startswith(shown)
    pieces.append(text[len(shown) :])
    shown = text
    finish = chunk.responses[0].finish_reason or finish

assert shown == "1 2 3 4 5 6 7 8 9"
assert "".join(pieces) == shown and len([piece for piece in pieces if piece]) > 3
assert finish == "stop"
assert chunk.usage.output_tokens == 9
print("done")
