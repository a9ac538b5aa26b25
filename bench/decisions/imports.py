"""What `import reka` postpones."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from typing import Final

from bench.decisions.measure import Cost, Decision, Round

EAGER: Final = "import reka, reka.client, reka.async_client"
LAZY: Final = "import reka"
_TIMED: Final = """
from time import perf_counter, process_time
wall, cpu = perf_counter(), process_time()
{code}
print(process_time() - cpu, perf_counter() - wall)
"""


def _import(code: str) -> Round:
    """Make a round of one import, in an interpreter of its own."""

    async def run() -> Cost:
        child = await asyncio.create_subprocess_exec(
            sys.executable, "-c", _TIMED.format(code=code), stdout=asyncio.subprocess.PIPE
        )
        output, _ = await child.communicate()
        cpu, wall = map(float, output.split())
        return Cost(cpu, wall)

    return run


async def decisions() -> AsyncGenerator[Decision, None]:
    """Yield the decisions about imports."""
    yield Decision("clients are imported at first use", "`import reka`", _import(EAGER), _import(LAZY), rounds=15)
