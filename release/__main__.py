"""Build, check and try the distributions.

python -m release [--python 3.12 ...] [--final]
"""

import argparse
import re
import shutil
import sys
from datetime import date
from pathlib import Path
from typing import Final

from release import build, checks, environments
from release.build import run
from release.distributions import DISTRIBUTIONS, ROOT, repository, version

DIST: Final = ROOT / "dist"


def main() -> None:
    """Make `dist`; end with an exit code of 1 and a list of what is wrong, if anything is."""
    arguments = _arguments()
    wanted, address = version(), repository()
    if arguments.final and (reasons := _not_final(wanted, address)):
        raise SystemExit("\n".join(reasons))
    build.build(DIST, address, wanted)
    _check(wanted, address)
    failed = environments.try_all(DIST, wanted, arguments.python)
    if failed:
        raise SystemExit("\n\n".join(failed))
    _write_bills(wanted)
    _report(address)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m release", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--python", action="append", metavar="3.X", help="try these versions only")
    parser.add_argument("--final", action="store_true", help="refuse what must not be uploaded")
    return parser.parse_args()


def _not_final(wanted: str, address: str) -> list[str]:
    """Why these distributions must not be uploaded; empty if they may be."""
    reasons = [] if address else ["pyproject.toml: [tool.reka] repository is empty"]
    dated = re.search(rf"^## {re.escape(wanted)} - (\d{{4}}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.M)
    today = date.today()  # noqa: DTZ011  # the maintainer's own day
    if dated is None or date.fromisoformat(dated[1]) > today:
        reasons.append(f"CHANGELOG.md: want a section '## {wanted} - {today}'")
    return reasons


def _check(wanted: str, address: str) -> None:
    found = [
        problem
        for distribution in DISTRIBUTIONS
        for problem in checks.problems(DIST / distribution.name, distribution, address, wanted)
    ]
    if found:
        raise SystemExit("\n".join(found))
    files = sorted(str(path) for path in DIST.glob("*/*"))
    run([sys.executable, "-m", "twine", "check", "--strict", *files], quiet=True)
    for distribution in DISTRIBUTIONS:
        (wheel,) = (DIST / distribution.name).glob("*.whl")
        top = ",".join(distribution.top)
        run([_program("check-wheel-contents"), "--toplevel", top, str(wheel)], quiet=True)
    print("== names, contents, licences, metadata: right", flush=True)


def _write_bills(wanted: str) -> None:
    """Write a bill of materials for each distribution, and one for all with their extras."""
    folder = DIST / "sbom"
    folder.mkdir()
    for what in (*environments.ALONE, environments.TOGETHER):
        python = environments.newest(what)
        target = folder / f"{what}-{wanted}.cdx.json"
        options = ["--output-reproducible", "--mc-type", "library", "--output-format", "JSON"]
        run([_program("cyclonedx-py"), "environment", *options, "--output-file", str(target), str(python)], quiet=True)


def _report(address: str) -> None:
    for path in sorted(DIST.glob("*/*")):
        print(f"{path.stat().st_size:>9,}  {path.relative_to(ROOT)}")
    if not address:
        print("No repository is set in pyproject.toml ([tool.reka]): links are relative; not for an index.")


def _program(name: str) -> str:
    return shutil.which(name, path=str(Path(sys.executable).parent)) or name


if __name__ == "__main__":
    main()
