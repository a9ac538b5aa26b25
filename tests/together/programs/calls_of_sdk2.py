"""Every public call of `reka-api` 2, its results and its errors field by field, as JSON. Run it with a text's path."""

import json
import logging
import os
import sys
import time

import reka
from reka.api.job import JobStatus

logging.disable()
(path,) = sys.argv[1:]
seen = {}


def record(name, call, *arguments, **options):
    try:
        result = call(*arguments, **options)
    except Exception as error:
        underlying = getattr(error, "underlying", None) or error
        response = getattr(underlying, "response", None)
        seen[name] = {
            "classes": [
                kind.__name__
                for kind in type(error).__mro__
                if kind.__module__ in ("reka.errors", "requests.exceptions", "builtins")
            ],
            "reason": getattr(error, "reason", None),
            "status": None if response is None else response.status_code,
            "body": None if response is None else response.json(),
            "method": None if response is None else response.request.method,
            "url": None if response is None else response.request.url,
        }
        return None
    seen[name] = {"result": vars(result) if hasattr(result, "__dict__") else result}
    return result


image = "data:image/gif;base64,R0lGODlhAQABAAAAACwAAAAAAQABAAA="
history = [{"type": "human", "text": "Please count to 2."}, {"type": "model", "text": "1 2"}]
record("list_models", reka.list_models)
record("list_datasets, none", reka.list_datasets)
record("add_dataset", reka.add_dataset, path, "alice", "A story")
record("add_dataset, unsafe name", reka.add_dataset, path, "../../etc/shadow")
record("add_dataset, again", reka.add_dataset, path, "alice")
record("add_dataset, no file", reka.add_dataset, "no-such-file.txt", "alice")
for name in sorted(reka.list_datasets()):
    if name != "alice":
        reka.delete_dataset(name)
record("list_datasets", reka.list_datasets)
job = reka.prepare_retrieval("alice")
while not reka.retrieval_job_status(job).is_done():
    time.sleep(0.02)
status = reka.retrieval_job_status(job)
seen["retrieval_job_status"] = {
    "fields": sorted(vars(status)),
    "status": JobStatus(status.job_status).value,
    "detail": status.detail,
    "history": [sorted(entry) for entry in status.history],
    "is": [status.is_complete(), status.is_done(), status.is_error(), status.is_running()],
}
record("prepare_retrieval, again", reka.prepare_retrieval, "alice")
record("prepare_retrieval, no dataset", reka.prepare_retrieval, "bob")
record("retrieval_job_status, no job", reka.retrieval_job_status, "no-job")
record("chat", reka.chat, "Please count to 3.")
record("chat, history", reka.chat, "Please count to 4.", conversation_history=history)
record("chat, history alone", reka.chat, conversation_history=history[:1])
record("chat, media_url", reka.chat, "What is this?", media_url=image)
record("chat, model", reka.chat, "Please count to 3.", model_name="reka-core")
record("chat, model None", reka.chat, "Please count to 3.", model_name=None)
options = {"request_output_len": 50, "temperature": 0.5, "random_seed": 1, "runtime_top_k": 5, "runtime_top_p": 0.5}
penalties = {"frequency_penalty": 0.1, "presence_penalty": 0.1, "length_penalty": 1.0}
record("chat, options", reka.chat, "Please count to 5.", stop_words=["4"], **options, **penalties)
record("chat, extra", reka.chat, "Please count to 5.", extra_request_args={"stop_words": ["3"]})
record("chat, retrieval", reka.chat, "What is on the table?", retrieval_dataset="alice")
record("chat, retrieval, no dataset", reka.chat, "What?", retrieval_dataset="bob")
record("chat, top_p 1.5", reka.chat, "Hi", runtime_top_p=1.5)
record("chat, no file", reka.chat, "Hi", media_filename="no-such-file.png")
record("chat, two media", reka.chat, "Hi", media_url=image, media_filename="a.png")
record("chat, empty", reka.chat)
record("chat, wrong order", reka.chat, "Hi", conversation_history=history[1:])
record("delete_dataset", reka.delete_dataset, "alice")
record("delete_dataset, again", reka.delete_dataset, "alice")
reka.API_KEY = "a-wrong-key"
record("list_models, wrong key", reka.list_models)
record("chat, wrong key", reka.chat, "Hi")
record("prepare_retrieval, wrong key", reka.prepare_retrieval, "alice")
reka.API_KEY = None
os.environ.pop("REKA_API_KEY")
record("chat, no key", reka.chat, "Hi")
print(json.dumps(seen))
