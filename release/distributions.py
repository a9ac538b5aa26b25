"""The three distributions: where each lies, what it holds, and what of the repository all have in common."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
_VERSION: Final = re.compile(r'^__version__ = "(.+)"$', re.M)
_REPOSITORY: Final = re.compile(r'^\[tool\.reka\]\n(?:#.*\n)*repository = "(.*)"$', re.M)


@dataclass(frozen=True)
class Distribution:
    """A distribution of the repository.

    Attributes:
        name: Its name on a package index.
        folder: Its folder in the repository; "." is the repository itself.
        module: The package that it is for.
        further: What else lies beside that once it is installed.
    """

    name: str
    folder: str
    module: str
    further: tuple[str, ...] = ()

    @property
    def top(self) -> tuple[str, ...]:
        """What lies at the top of a wheel, besides its metadata."""
        return (*self.further, self.module)

    @property
    def file_name(self) -> str:
        """What its files' names begin with."""
        return self.name.replace("-", "_")


DISTRIBUTIONS: Final = (
    Distribution("reka", ".", "reka", ("_reka_pytest.py",)),
    Distribution("langchain-reka", "integrations/langchain_reka", "langchain_reka"),
    Distribution("llamaindex-reka", "integrations/llamaindex_reka", "llamaindex_reka"),
)


def version() -> str:
    """The one version of the three."""
    return _found(_VERSION, ROOT / "reka" / "_version.py")


def repository() -> str:
    """The address of the repository, without a slash at its end; empty until `pyproject.toml` has one."""
    return _found(_REPOSITORY, ROOT / "pyproject.toml").rstrip("/")


def _found(pattern: re.Pattern[str], file: Path) -> str:
    found = pattern.search(file.read_text())
    if found is None:
        raise LookupError(f"{file.relative_to(ROOT)}: want a line like {pattern.pattern!r}")
    return found[1]
