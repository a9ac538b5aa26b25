"""Checks a deployment: address, key, models, and what each kind of failure looks like to a caller."""

import os
import threading

import requests

import reka
from reka.api import chat, dataset, models, retrieval
from reka.errors import AuthError, RetrievalError

assert os.environ["REKA_SERVER"] == reka._SERVER
assert "reka-flash" in models.list_models() == reka.list_models()
assert dataset.list_datasets() == []
assert chat.chat("Please count to 2.")["text"].strip() == "1 2"
for call in (lambda: retrieval.prepare_retrieval("nothing"), lambda: reka.retrieval_job_status("no-job")):
    try:
        call()
    except RetrievalError as error:
        assert error.underlying.response.status_code == 404
        assert error.reason in ("Tried to prepare retrieval for non-existent dataset.", "Retrieval job not found.")
    else:
        raise SystemExit("what is not there was found")

answers = []
threads = [threading.Thread(target=lambda: answers.append(reka.chat("Please count to 3."))) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert [answer["text"].strip() for answer in answers] == ["1 2 3"] * 8

right, reka.API_KEY = reka.API_KEY, "a-wrong-key"
try:
    reka.list_models()
except requests.RequestException as error:
    assert error.response.status_code == 401
    assert error.request.url.endswith("/models")
else:
    raise SystemExit("a wrong key was taken")
reka.API_KEY = None
os.environ.pop("REKA_API_KEY")
try:
    reka.list_models()
except AuthError as error:
    assert "key" in error.reason
else:
    raise SystemExit("no key was needed")
reka.API_KEY, reka._SERVER = right, "http://127.0.0.1:9"
try:
    reka.list_models()
except requests.exceptions.ConnectionError:
    pass
else:
    raise SystemExit("a server that is not there has answered")
print("done")
