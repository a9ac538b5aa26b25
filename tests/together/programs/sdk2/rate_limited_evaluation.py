"""Rates answers of a model, as evaluation scripts do: waits at a rate limit, skips what the server refuses."""

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import requests

import reka

asked = []


class Busy(BaseHTTPRequestHandler):
    """Refuses a key's first requests, as a rate limit does, and a long question for good."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked.append(body["conversation_history"][-1]["text"])
        status, answer = 200, {"type": "model", "text": "Rating: 4"}
        if len(asked) <= 4:
            status, answer = 429, {"detail": "Too many requests"}
        elif len(asked[-1]) > 100:
            status, answer = 400, {"detail": "too long"}
        content = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *arguments):
        pass


server = HTTPServer(("127.0.0.1", 0), Busy)
threading.Thread(target=server.serve_forever, daemon=True).start()
reka.API_KEY = "a-key"
reka._SERVER = f"http://127.0.0.1:{server.server_address[1]}"


def rate(question):
    for _ in range(6):
        try:
            return reka.chat(question, model_name="reka-core", request_output_len=16, temperature=0.4)["text"]
        except requests.exceptions.HTTPError as error:
            if error.response.status_code != 429:
                return f"refused: {error.response.json()['detail']}"
            time.sleep(0.05)
    raise SystemExit("still limited")


ratings = [rate(question) for question in ("Rate this: a cat.", "x" * 200, "Rate this: a dog.")]

assert ratings == ["Rating: 4", "refused: too long", "Rating: 4"], ratings
scores = [int(rating.rpartition(":")[2]) for rating in ratings if not rating.startswith("refused")]
assert sum(scores) / len(scores) == 4.0
print("done")
