"""Ask questions about the text files of a folder.

Run it with `python examples/your_own_files.py FOLDER "QUESTION"`.
"""

import sys

import reka

folder, question = sys.argv[1:3]
reka.BASE_URL = reka.BASE_URL or "local"

name = reka.ensure_dataset("my-files", files=folder, on_update=lambda status: print(status.job_status, status.detail))
answer = reka.chat(question, retrieval_dataset=name)
print(answer["text"])
for chunk in answer.get("retrieved_chunks", []):
    print(f"{chunk.get('score', 0):.2f}  {chunk.get('source')}  {' '.join(chunk['text'].split())[:80]}")
