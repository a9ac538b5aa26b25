"""A chat window: keeps the conversation, starts anew on a command, and shows errors as messages."""

import reka
from reka.errors import InvalidConversationError, RekaError


class Window:
    def __init__(self, model="reka-flash"):
        self.model = model
        self.history = []

    def submit(self, text):
        if text == "/new":
            self.history = []
            return "(new conversation)"
        try:
            answer = reka.chat(human=text, conversation_history=self.history, model_name=self.model)
        except RekaError as error:
            return f"(error: {type(error).__name__})"
        self.history.append({"type": "human", "text": text})
        self.history.append({"type": "model", "text": answer["text"]})
        return answer["text"]


assert reka.API_KEY, "set REKA_API_KEY"
window = Window()
assert window.submit("Please count to 3.").strip() == "1 2 3"
assert "count to 4" in window.submit("Please count to 4.") or window.history[-1]["text"].strip() == "1 2 3 4"
assert [turn["type"] for turn in window.history] == ["human", "model", "human", "model"]
window.history.append({"type": "model", "text": "once more"})
assert window.submit("and?") == "(error: InvalidConversationError)"
assert window.submit("/new") == "(new conversation)" and window.history == []
try:
    reka.chat(conversation_history=[])
except InvalidConversationError as error:
    assert "empty" in error.reason
else:
    raise SystemExit("an empty conversation was taken")
print("done")
