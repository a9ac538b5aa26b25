"""The documented page's example, on the server inside this process: no key, no network.

Run it with `python examples/documented_page.py`, or against Reka's own host by setting REKA_API_KEY and leaving out
`reka.BASE_URL`.
"""

import reka

reka.BASE_URL = "local"

conversation_history: list[reka.HumanTurn | reka.ModelTurn] = [
    {"type": "human", "text": "Hi, my name is John."},
    {"type": "model", "text": "Hi, I'm Reka's assistant."},
]
response = reka.chat(human="What was my name?", conversation_history=conversation_history)
print(response["text"])
