"""Links of a README, made absolute: what leads to a file of the repository leads nowhere on a package index."""

import posixpath
import re
from typing import Final

_LINK: Final = re.compile(r"(?P<image>!?)\[(?P<text>[^\]]*)\]\((?P<target>[^()\s]+)\)")
_CODE: Final = re.compile(r"(^ *```.*?^ *```)", re.M | re.S)
_ABSOLUTE: Final = re.compile(r"^([a-z][a-z0-9+.-]*:|#|/)", re.I)


def absolute_links(page: str, folder: str, repository: str, version: str) -> str:
    """Make the links of a page absolute, in GitHub's form; anchors of the page itself stay.

    Args:
        page: Markdown.
        folder: The page's folder in the repository.
        repository: The repository's address.
        version: The version whose files are meant; its tag is `v` and the version.
    """

    def replace(found: re.Match[str]) -> str:
        target = found["target"]
        if _ABSOLUTE.match(target):
            return found[0]
        path, hash_, anchor = target.partition("#")
        view = "raw" if found["image"] else "blob"
        address = f"{repository}/{view}/v{version}/{posixpath.normpath(posixpath.join(folder, path))}"
        return f"{found['image']}[{found['text']}]({address}{hash_}{anchor})"

    parts = _CODE.split(page)
    parts[::2] = [_LINK.sub(replace, part) for part in parts[::2]]
    return "".join(parts)


def relative_links(page: str) -> list[str]:
    """The links of a page that lead to files beside it."""
    parts = _CODE.split(page)[::2]
    return [found["target"] for part in parts for found in _LINK.finditer(part) if not _ABSOLUTE.match(found["target"])]
