"""Asks about pictures, and keeps answers as JSON so that a question is asked once."""

import json
import os
import tempfile

from reka import ChatMessage, TypedMediaContent, TypedText
from reka.client import Reka
from reka.core import ApiError

GIF = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
client = Reka(api_key=os.environ["REKA_API_KEY"], base_url=os.environ["SERVER"] + "/v1")
folder = tempfile.mkdtemp()
asked = []


def ask(name, *pictures, text="What is on the pictures?"):
    path = os.path.join(folder, f"{name}.json")
    if not os.path.exists(path):
        asked.append(name)
        content = [TypedMediaContent(type="image_url", image_url=picture) for picture in pictures]
        message = ChatMessage(role="user", content=[*content, TypedText(type="text", text=text)])
        response = client.chat.create(messages=[message], model="reka-flash")
        with open(path, "w") as file:
            file.write(response.json())
    with open(path) as file:
        return json.load(file)


one = ask("one", GIF)
assert one == ask("one", GIF) and asked == ["one"]
assert "1 image" in one["responses"][0]["message"]["content"]
assert set(one) == {"id", "model", "responses", "usage"}
assert one["usage"]["output_tokens"] > 0
assert "2 images" in ask("two", GIF, GIF)["responses"][0]["message"]["content"]
try:
    client.chat.create(messages=[], model="reka-flash")
except ApiError as error:
    assert error.status_code == 422, error
else:
    raise SystemExit("nothing was asked, and answered")
print("done")
