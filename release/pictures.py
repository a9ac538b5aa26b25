"""Make the pictures of the documentation anew: `python -m release.pictures`.

The demo in a terminal, and the server's page in Chromium, which must be on this machine.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from rich.ansi import AnsiDecoder
from rich.console import Console

from reka.server.run import BackgroundServer
from reka.server.settings import Settings
from release.distributions import ROOT
from tests.support.peers import BROWSER, CHROMIUM, peer_environment

IMAGES: Final = ROOT / "docs" / "images"
_PROGRAM: Final = ROOT / "tests" / "together" / "programs" / "page_in_chromium.py"
_COLUMNS: Final = 76
_SHOWN_WIDTH: Final = 760
_FONTS: Final = "ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
_CONTROL: Final = re.compile(r"(\r?\n|\r|\x1b\[\d*A|\x1b\[\d*K|\x1b\[\?\d+[hl])")


def main() -> None:
    """Make all of them."""
    (IMAGES / "demo.svg").write_text(demo_picture())
    with tempfile.TemporaryDirectory() as folder:
        page_pictures(Path(folder))
    for path in sorted(IMAGES.iterdir()):
        print(f"{path.stat().st_size:8,} {path.relative_to(ROOT)}")


def demo_picture() -> str:
    """Run the demo, and draw what it shows first, up to its second question."""
    environment = {**os.environ, "FORCE_COLOR": "1", "TERM": "xterm-256color", "COLUMNS": str(_COLUMNS)}
    command = [sys.executable, "-m", "reka.cli", "demo"]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=True)
    lines = last_state(f"$ reka demo\n{done.stdout.decode()}")
    console = Console(record=True, width=_COLUMNS, file=Path(os.devnull).open("w"))  # noqa: SIM115 - to the program's end
    for text in AnsiDecoder().decode("\n".join(lines)):
        if text.plain.startswith("4 "):
            break
        console.print(text)
    return _of_no_host(console.export_svg(title="reka demo", unique_id="demo"))


def last_state(output: str) -> list[str]:
    """The lines that a terminal shows in the end, when bars and spinners have been drawn over."""
    lines, row = [""], 0
    for part in _CONTROL.split(output):
        if part.endswith("\n"):
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif part.endswith("A"):
            row = max(0, row - int(part[2:-1] or 1))
        elif part.endswith("K") and part.startswith("\x1b"):
            lines[row] = ""
        elif not _CONTROL.fullmatch(part):
            lines[row] += part
    return lines


def _of_no_host(svg: str) -> str:
    svg = re.sub(r"@font-face \{.*?\}", "", svg, flags=re.S)
    svg = svg.replace("Fira Code, monospace", _FONTS)
    return svg.replace("<svg ", f'<svg width="{_SHOWN_WIDTH}" ', 1)


def page_pictures(folder: Path) -> None:
    """Take pictures of the server's page: in the light, in the dark, and on a phone."""
    if CHROMIUM is None:
        raise SystemExit("Chromium is not on this machine")
    shutil.copytree(ROOT / "examples" / "data" / "harbour", folder / "harbour")
    server = BackgroundServer(Settings(port=0, data_dir=folder / "data"))
    try:
        python = str(peer_environment(*BROWSER))
        command = [python, str(_PROGRAM), "pictures", server.url, CHROMIUM, str(folder)]
        subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    finally:
        server.stop()
    for picture in folder.glob("page*.png"):
        shutil.copy(picture, IMAGES)


if __name__ == "__main__":
    main()
