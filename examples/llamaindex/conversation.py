"""Talk about the text files of a folder: the engine remembers, and the answer is shown as it is written.

Run it with `REKA_BASE_URL=local python examples/llamaindex/conversation.py FOLDER "QUESTION" "QUESTION" ...`.
"""

import sys

from llama_index.core import SimpleDirectoryReader
from llama_index.core.chat_engine.types import ChatMode
from llama_index.core.memory import ChatMemoryBuffer

from llamaindex_reka import RekaIndex

folder, *questions = sys.argv[1:]
index = RekaIndex.from_documents(SimpleDirectoryReader(folder).load_data())
engine = index.as_chat_engine(
    ChatMode.CONDENSE_PLUS_CONTEXT, memory=ChatMemoryBuffer.from_defaults(token_limit=8000), similarity_top_k=4
)
for question in questions:
    print(f"> {question}")
    for text in engine.stream_chat(question).response_gen:
        print(text, end="", flush=True)
    print()
