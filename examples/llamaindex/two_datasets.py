"""Two folders of texts, two indexes: one question goes to the fitting one, another is split between both.

Run it with `REKA_API_KEY=... python examples/llamaindex/two_datasets.py FOLDER FOLDER "QUESTION"`.
"""

import sys
from pathlib import Path

from llama_index.core import Settings, SimpleDirectoryReader
from llama_index.core.query_engine import RouterQueryEngine, SubQuestionQueryEngine
from llama_index.core.question_gen import LLMQuestionGenerator
from llama_index.core.selectors import LLMSingleSelector
from llama_index.core.tools import QueryEngineTool

from llamaindex_reka import RekaIndex, RekaLLM

*folders, question = sys.argv[1:4]
Settings.llm = RekaLLM()
tools = []
for folder in map(Path, folders):
    index = RekaIndex.from_documents(SimpleDirectoryReader(folder).load_data(), dataset=folder.name)
    engine = index.as_query_engine(similarity_top_k=3)
    tools.append(QueryEngineTool.from_defaults(engine, name=folder.name, description=f"Texts about {folder.name}."))

router = RouterQueryEngine(selector=LLMSingleSelector.from_defaults(), query_engine_tools=tools)
print("One of them:", router.query(question))

both = SubQuestionQueryEngine.from_defaults(tools, question_gen=LLMQuestionGenerator.from_defaults(), verbose=False)
print("Both:", both.query(question))
