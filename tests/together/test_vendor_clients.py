"""The vendor's own package works unchanged against `reka serve`."""

import json
import os
import subprocess
from pathlib import Path

from tests.peers import peer_environment

SCRIPT = """
import json, sys
import reka

assert reka._SERVER == sys.argv[1], reka._SERVER
seen = {"version": reka.__version__, "models": reka.list_models()}
seen["added"] = reka.add_dataset(sys.argv[2], "alice", "A story")
seen["added without description"] = reka.add_dataset(sys.argv[2], "../../etc/shadow")
seen["datasets"] = reka.list_datasets()
job = reka.prepare_retrieval("alice")
while not (status := reka.retrieval_job_status(job)).is_done():
    pass
seen["complete"] = status.is_complete()
seen["history"] = [entry["job_status"] for entry in status.history]
try:
    reka.prepare_retrieval("alice")
except reka.errors.RetrievalError as error:
    seen["twice"] = error.reason
try:
    reka.prepare_retrieval("bob")
except reka.errors.RetrievalError as error:
    seen["unknown"] = error.reason
history = [{"type": "human", "text": "Hi, my name is John."}, {"type": "model", "text": "Hi."}]
seen["chat"] = reka.chat("What was my name?", conversation_history=history)
seen["retrieval"] = reka.chat("What is on the glass table?", retrieval_dataset="alice", request_output_len=100,
    temperature=0.5, random_seed=1, runtime_top_k=5, runtime_top_p=0.5, frequency_penalty=0.1, presence_penalty=0.1,
    length_penalty=1.0, stop_words=["zzz"])
seen["media"] = reka.chat("What is this?", media_filename=sys.argv[2])["type"]
seen["deleted"] = reka.delete_dataset("alice")
try:
    reka.delete_dataset("alice")
except reka.errors.DatasetError as error:
    seen["gone"] = error.reason
print(json.dumps(seen))
"""


def test_reka_api_2_works_with_every_documented_function(serve: str, alice: Path) -> None:
    python = peer_environment("reka-api==2.0.0")
    environment = {**os.environ, "REKA_SERVER": serve, "REKA_API_KEY": "any"}

    # -I: not with our package, which has the same name and stands in the current folder.
    done = subprocess.run(
        [str(python), "-I", "-c", SCRIPT, serve, str(alice)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout)
    assert seen["version"] == "2.0.0"
    assert "reka-flash" in seen["models"]
    assert seen["added"]["name"] == "alice"
    assert sorted(seen["datasets"]) == sorted(["alice", seen["added without description"]["name"]])
    assert seen["complete"] is True
    assert seen["history"][0] == "PENDING"
    assert seen["twice"] == "Retrieval has already been prepared for this dataset."
    assert seen["unknown"] == "Tried to prepare retrieval for non-existent dataset."
    assert "John" in seen["chat"]["text"]
    assert "golden key" in seen["retrieval"]["text"]
    assert seen["retrieval"]["retrieved_chunks"][0]["source"] == "alice.txt"
    assert seen["media"] == "model"
    assert seen["deleted"]["ok"] is True
    assert seen["gone"] == "Unable to delete missing dataset."
