"""Loads documents, prepares them, answers from them with their sources, and cleans up."""

import os
import tempfile
import time
import zipfile

import reka
from reka.api.job import JobStatus
from reka.errors import DatasetError, RetrievalError

TEXTS = {
    "lamp.txt": "The reading lamp needs a bulb of 5 watts. A stronger bulb melts its shade.",
    "kettle.txt": "The kettle holds 1.7 litres. Descale it with vinegar once a month.",
}
folder = tempfile.mkdtemp()
path = os.path.join(folder, "manuals.zip")
with zipfile.ZipFile(path, "w") as archive:
    for name, text in TEXTS.items():
        archive.writestr(name, text)

added = reka.add_dataset(filepath=path, name="manuals", description="Manuals of the house")
assert added["ok"], added
assert "manuals" in reka.list_datasets()
job = reka.prepare_retrieval("manuals")
status = reka.retrieval_job_status(job)
while not status.is_done():
    assert status.job_status in (JobStatus.PENDING, JobStatus.RUNNING)
    time.sleep(0.05)
    status = reka.retrieval_job_status(job)
assert status.is_complete() and not status.is_error(), status.detail
try:
    reka.prepare_retrieval("manuals")
except RetrievalError as error:
    assert error.reason == "Retrieval has already been prepared for this dataset."
    assert error.underlying.response.status_code == 400
answer = reka.chat("How many watts does the bulb of the lamp need?", retrieval_dataset="manuals")
assert "5 watts" in answer["text"], answer
assert "lamp" in str(answer["retrieved_chunks"][0])
assert reka.delete_dataset("manuals")["ok"]
try:
    reka.delete_dataset("manuals")
except DatasetError as error:
    assert error.reason == "Unable to delete missing dataset."
    assert error.underlying.response.status_code == 404
else:
    raise SystemExit("a dataset was deleted twice")
print("done")
