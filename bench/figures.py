"""Figures of benchmarks as JSON, in `bench/measured`: what `python -m bench.plots` draws."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final

MEASURED: Final = Path(__file__).with_name("measured")


def record(benchmark: str, scenario: str, seconds: Mapping[str, float]) -> None:
    """Put what was measured in place of what was measured before.

    Args:
        benchmark: Name of the benchmark, and of its file.
        scenario: What was measured.
        seconds: Median seconds of each contestant; ours is `ours`.
    """
    figures = read_figures(benchmark)
    figures[scenario] = {name: float(f"{value:.4g}") for name, value in seconds.items()}
    MEASURED.mkdir(exist_ok=True)
    (MEASURED / f"{benchmark}.json").write_text(json.dumps(figures, indent=2) + "\n")


def read_figures(benchmark: str) -> dict[str, dict[str, float]]:
    """Seconds of each contestant in each scenario; empty if nothing was measured."""
    path = MEASURED / f"{benchmark}.json"
    figures: dict[str, dict[str, float]] = json.loads(path.read_text()) if path.is_file() else {}
    return figures
