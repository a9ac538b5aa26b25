"""Every documented function of the vendor's package; writes what came back as JSON.

Run it with the module's name (`reka` of reka-api 2, `reka.v2` of reka-api 3) and the path of a text. The module finds
server and key in its environment.
"""

import importlib
import json
import sys

module, path = sys.argv[1:]
reka = importlib.import_module(module)

seen = {"version": reka.__version__, "models": reka.list_models()}
seen["added"] = reka.add_dataset(path, "alice", "A story")
seen["added without description"] = reka.add_dataset(path, "../../etc/shadow")
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
seen["retrieval"] = reka.chat(
    "What is on the glass table?",
    retrieval_dataset="alice",
    request_output_len=100,
    temperature=0.5,
    random_seed=1,
    runtime_top_k=5,
    runtime_top_p=0.5,
    frequency_penalty=0.1,
    presence_penalty=0.1,
    length_penalty=1.0,
    stop_words=["zzz"],
)
seen["media"] = reka.chat("What is this?", media_filename=path)["type"]
seen["deleted"] = reka.delete_dataset("alice")
try:
    reka.delete_dataset("alice")
except reka.errors.DatasetError as error:
    seen["gone"] = error.reason
print(json.dumps(seen))
