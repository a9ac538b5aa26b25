"""What `import reka` costs beside `import requests`, in fresh interpreters: `python -m bench.import_time`."""

import statistics
import subprocess
import sys
import time
from typing import Final

ROUNDS: Final = 15
LARGEST_RATIO: Final = 0.7


def main() -> int:
    """Print the medians and their ratio; 0 if it is at most `LARGEST_RATIO`."""
    seconds: dict[str, list[float]] = {"pass": [], "import reka": [], "import requests": []}
    for _ in range(ROUNDS):
        for code, taken in seconds.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, "-c", code], check=True)
            taken.append(time.perf_counter() - begun)
    empty = statistics.median(seconds["pass"])
    ours, theirs = (statistics.median(seconds[code]) - empty for code in ("import reka", "import requests"))
    print(f"import reka      {ours * 1000:6.1f} ms")
    print(f"import requests  {theirs * 1000:6.1f} ms")
    print(f"ratio            {ours / theirs:6.2f}")
    return int(ours / theirs > LARGEST_RATIO)


if __name__ == "__main__":
    sys.exit(main())
