"""One contestant of `bench.adapters`, timed in a process of its own.

Run by the Python of the environment that holds its library: `python bench/adapter_contestant.py MODULE NAME URL`; it
takes measurements to make as lines of JSON on its input and gives figures as lines of JSON.
"""

import asyncio
import json
import sys
from importlib import import_module
from pathlib import Path


async def serve(module: str, name: str, url: str) -> None:
    """Make the measurements asked for on the standard input, until it ends."""
    contestants = import_module(module)
    # This folder has modules that are named after libraries, and must not stand in front of them.
    sys.path[:] = [folder for folder in sys.path if Path(folder) != Path(__file__).parent]
    model = contestants.CONTESTANTS[name](url)
    for line in sys.stdin:
        asked = json.loads(line)
        seconds = await contestants.MEASUREMENTS[asked.pop("measure")](model, **asked)
        print(json.dumps({"seconds": seconds}), flush=True)
    if hasattr(model, "aclose"):
        await model.aclose()


if __name__ == "__main__":
    asyncio.run(serve(*sys.argv[1:]))
