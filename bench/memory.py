"""What a large upload adds to the memory of client and server. Run it with `python -m bench.memory`."""

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

SIZES: Final = (1, 1000)
"""Megabytes of the two files."""

MOST_ADDED: Final = 64
"""MiB that the larger file may add to either peak."""

LINE: Final = b"some words in a line of text, and more of them until the line is a hundred bytes long, which it is\n."
UPLOAD: Final = """
import resource, sys
import reka
with reka.Reka("any-key", sys.argv[1], timeout=600) as client:
    client.add_dataset(sys.argv[2], "large")
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
"""


def main() -> int:
    """Print the peak of both processes for both sizes, and what the larger file adds; 0 if that is little enough."""
    peaks = [_peaks(megabytes) for megabytes in SIZES]
    for megabytes, (client, server) in zip(SIZES, peaks, strict=True):
        print(f"{megabytes:5} MB   client {client:6.1f} MiB   server {server:6.1f} MiB")
    client, server = (large - small for small, large in zip(*peaks, strict=True))
    print(f"added      client {client:6.1f} MiB   server {server:6.1f} MiB")
    return int(max(client, server) >= MOST_ADDED)


def _peaks(megabytes: int) -> tuple[float, float]:
    """Upload a file of that size to a new server: the peaks of client and server in MiB (Linux)."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.txt")
        with path.open("wb") as file:
            for _ in range(megabytes):
                file.write(LINE * (1_000_000 // len(LINE)))
        command = [sys.executable, "-m", "reka.server", "--port", "0", "--data-dir", str(Path(folder, "data"))]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
            try:
                assert server.stdout is not None
                url = server.stdout.readline().split()[-1]
                uploaded = subprocess.run(
                    [sys.executable, "-c", UPLOAD, url, str(path)], capture_output=True, text=True, check=True
                )
                status = Path(f"/proc/{server.pid}/status").read_text()
            finally:
                server.terminate()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return float(uploaded.stdout), int(peak.split()[1]) / 1024


if __name__ == "__main__":
    sys.exit(main())
