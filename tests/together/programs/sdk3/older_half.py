"""A program for `reka-api` 2 that has been moved to `reka.v2` of `reka-api` 3, and lists models both ways."""

import os
import tempfile
import time

from reka.v2.api.job import JobStatus
from reka.v2.errors import RetrievalError

import reka.v2 as rekav2
from reka.client import Reka

rekav2.API_KEY = os.environ["REKA_API_KEY"]
rekav2._SERVER = os.environ["SERVER"]
client = Reka(api_key=rekav2.API_KEY, base_url=f"{rekav2._SERVER}/v1")

assert [model.id for model in client.models.get()] == rekav2.list_models()
with tempfile.NamedTemporaryFile("w", suffix=".txt", delete=False) as file:
    file.write("The reading lamp needs a bulb of 5 watts.")
name = rekav2.add_dataset(file.name, "lamp")["name"]
job = rekav2.prepare_retrieval(name)
while not (status := rekav2.retrieval_job_status(job)).is_done():
    time.sleep(0.05)
assert status.job_status == JobStatus.COMPLETE
answer = rekav2.chat("How many watts does the lamp need?", retrieval_dataset=name)
assert answer["retrieved_chunks"]
assert rekav2.delete_dataset(name)["ok"]
try:
    rekav2.prepare_retrieval(name)
except RetrievalError as error:
    assert error.underlying.response.status_code == 404
print("done")
