"""A hook of mkdocs: each notebook of `examples/notebooks` is a page of the site, with its outputs."""

import json
from pathlib import Path
from typing import Any, Final

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

NOTEBOOKS: Final = Path(__file__).parents[2] / "examples" / "notebooks"


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages."""
    for path in sorted(NOTEBOOKS.glob("*.ipynb")):
        page = as_page(json.loads(path.read_text()))
        files.append(File.generated(config, f"notebooks/{path.stem}.md", content=page))
    return files


def as_page(notebook: dict[str, Any]) -> str:
    """Write a notebook as Markdown."""
    return "\n\n".join(part for cell in notebook["cells"] for part in _parts(cell)) + "\n"


def _parts(cell: dict[str, Any]) -> list[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        return [source]
    outputs = ["".join(output["text"]).strip("\n") for output in cell["outputs"] if output["output_type"] == "stream"]
    return [f"```python\n{source}\n```", *(f"``` {{ .text .no-copy }}\n{output}\n```" for output in outputs)]
