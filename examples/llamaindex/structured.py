"""Structured output: a nested pydantic model out of a text, whole and as it is written.

It needs a model that calls tools.

Run it with `REKA_API_KEY=... python examples/llamaindex/structured.py "TEXT"`.
"""

import sys

from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel

from llamaindex_reka import RekaLLM


class Song(BaseModel):
    """A song."""

    title: str
    seconds: int


class Album(BaseModel):
    """A record with songs on it."""

    name: str
    songs: list[Song]


llm = RekaLLM()
prompt = PromptTemplate("Which album is this about? {text}")
print(llm.structured_predict(Album, prompt, text=sys.argv[1]).model_dump_json(indent=2))
for album in llm.stream_structured_predict(Album, prompt, text=sys.argv[1]):
    print(album)
