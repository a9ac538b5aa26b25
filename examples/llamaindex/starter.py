"""Ask questions about the text files of a folder, the way LlamaIndex's starter does.

Run it with `REKA_BASE_URL=local python examples/llamaindex/starter.py FOLDER "QUESTION"`, or with REKA_API_KEY.
"""

import sys

from llama_index.core import SimpleDirectoryReader

from llamaindex_reka import RekaIndex

folder, question = sys.argv[1:3]
documents = SimpleDirectoryReader(folder).load_data()
index = RekaIndex.from_documents(documents)
response = index.as_query_engine().query(question)
print(response)
for node in response.source_nodes:
    print(f"{node.score or 0:.2f}  {node.metadata['file_name']}")
