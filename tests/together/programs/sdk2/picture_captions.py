"""Writes a caption for each picture that a list names; names of files that are not there are skipped."""

import base64
import os
import tempfile

import reka

GIF = base64.b64decode("R0lGODlhAQABAAAAACwAAAAAAQABAAA=")
folder = tempfile.mkdtemp()
for name in ("cat.gif", "dog.gif"):
    with open(os.path.join(folder, name), "wb") as file:
        file.write(GIF)

captions, missing = {}, []
for name in ("cat.gif", "bird.gif", "dog.gif"):
    try:
        captions[name] = reka.chat("What is on this picture?", media_filename=os.path.join(folder, name))["text"]
    except FileNotFoundError as error:
        missing.append(os.path.basename(error.filename))

assert missing == ["bird.gif"]
assert list(captions) == ["cat.gif", "dog.gif"]
assert all("1 image" in caption for caption in captions.values()), captions
url = "data:image/gif;base64," + base64.b64encode(GIF).decode()
history = [{"type": "human", "text": "What is on this picture?", "media_url": url}, {"type": "model", "text": "A cat."}]
assert reka.chat("Please count to 2.", conversation_history=history)["type"] == "model"
try:
    reka.chat("x", media_url=url, media_filename="cat.gif")
except ValueError:
    pass
else:
    raise SystemExit("two media were taken")
print("done")
