"""Another model answers when the first one cannot.

Run it as `agent.py`; any model will do, also the quoting one of REKA_BASE_URL=local.
"""

import reka
from langchain_reka import ChatReka

nobody_there = ChatReka(base_url="http://127.0.0.1:9", api_key="any", max_retries=0)
model = nobody_there.with_fallbacks([ChatReka()], exceptions_to_handle=(reka.RekaError,))
print(model.invoke("Hi, my name is John. What is my name?").text)
