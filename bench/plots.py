"""Draw what was measured last as pictures for the documentation: `python -m bench.plots`."""

import sys
from collections.abc import Iterator, Mapping
from html import escape
from pathlib import Path
from typing import Final

from bench.figures import read_figures

IMAGES: Final = Path(__file__).parents[1] / "docs" / "images"
PLOTS: Final = {
    "clients": "Time of a call, or of a chunk of a stream",
    "langchain": "Time of ChatReka and of what it is compared with",
    "llamaindex": "Time of RekaLLM and of what it is compared with",
}
"""The benchmarks that are drawn, and what each plot shows."""

NAMES: Final = {
    "ours": "reka",
    "floor": "the framework alone",
    "community": "LangChain community",
    "llms-reka": "llama-index-llms-reka",
    "least": "aiohttp in LlamaIndex",
}
"""How contestants are called in plots, where not by their names in the benchmark."""

# Narrow, so that a phone shows its texts in a size that can be read.
_WIDTH, _LABELS, _BARS, _ROW, _GAP, _TOP = 480, 160, 220, 20, 34, 62
_SHOWN_WIDTH: Final = 600
_STYLE: Final = (
    "text{font:13px system-ui,sans-serif;fill:#1f2937}.title{font-weight:600;font-size:15px}"
    ".scenario{font-weight:600}.value{fill:#4b5563}.ours{fill:#00796b}.other{fill:#b0bec5}.page{fill:#fff}"
    "@media(prefers-color-scheme:dark){text{fill:#e5e7eb}.value{fill:#cbd5e1}.ours{fill:#2dd4bf}"
    ".other{fill:#64748b}.page{fill:#1f2330}}"
)


def plot(title: str, figures: Mapping[str, Mapping[str, float]]) -> str:
    """Draw a group of bars for each scenario, the longest of each as long as the plot is wide.

    The picture has a background of its own, light or dark as the page is, so that it can be read on any page.
    """
    parts, y = [], _TOP
    for scenario, seconds in figures.items():
        parts.append(f'<text class="scenario" x="16" y="{y + 14}">{escape(scenario)}</text>')
        parts += _bars(seconds, y + _ROW)
        y += _ROW * (len(seconds) + 1) + _GAP - _ROW // 2
    size = f'viewBox="0 0 {_WIDTH} {y}" width="{_SHOWN_WIDTH}" height="{y * _SHOWN_WIDTH // _WIDTH}"'
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        f'<rect class="page" width="{_WIDTH}" height="{y}" rx="8"/>'
        f'<text class="title" x="16" y="26">{escape(title)}</text>'
        f'<text class="value" x="16" y="46">shorter is better</text>{"".join(parts)}</svg>\n'
    )


def _bars(seconds: Mapping[str, float], y: int) -> Iterator[str]:
    longest = max(seconds.values())
    for row, (name, value) in enumerate(seconds.items()):
        top = y + row * _ROW
        length = max(1.0, _BARS * value / longest)
        kind = "ours" if name == "ours" else "other"
        yield (
            f'<text x="{_LABELS}" y="{top + 14}" text-anchor="end">{escape(NAMES.get(name, name))}</text>'
            f'<rect class="{kind}" x="{_LABELS + 8}" y="{top + 3}" width="{length:.1f}" height="14" rx="2"/>'
            f'<text class="value" x="{_LABELS + 14 + length:.1f}" y="{top + 14}">{_readable(value)}</text>'
        )


def _readable(seconds: float) -> str:
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def main() -> int:
    """Draw every benchmark that was measured."""
    for benchmark, title in PLOTS.items():
        if figures := read_figures(benchmark):
            path = IMAGES / f"benchmark-{benchmark}.svg"
            path.write_text(plot(title, figures))
            print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
