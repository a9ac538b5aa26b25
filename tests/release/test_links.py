"""Links of a README, as they are on a package index."""

import posixpath
import re

import pytest

from release.distributions import DISTRIBUTIONS, ROOT, Distribution
from release.links import absolute_links, relative_links

ADDRESS = "https://repository.example/owner/name"


@pytest.mark.parametrize(
    ("folder", "link", "absolute"),
    [
        (".", "[a](docs/index.md)", f"[a]({ADDRESS}/blob/v1.2.3/docs/index.md)"),
        (".", "[`a`](docs/index.md#b)", f"[`a`]({ADDRESS}/blob/v1.2.3/docs/index.md#b)"),
        (".", "![a](docs/a.png)", f"![a]({ADDRESS}/raw/v1.2.3/docs/a.png)"),
        ("integrations/x", "[a](../../LICENSE)", f"[a]({ADDRESS}/blob/v1.2.3/LICENSE)"),
        (".", "[a](#b), [c](https://x.example/d), [e](mailto:f@x.example)", None),
        (".", "```python\ncall[index](argument)\n```", None),
    ],
)
def test_a_link_to_a_file_leads_to_that_of_the_version(folder: str, link: str, absolute: str | None) -> None:
    assert absolute_links(link, folder, ADDRESS, "1.2.3") == (absolute or link)


@pytest.mark.parametrize("distribution", DISTRIBUTIONS, ids=lambda distribution: distribution.name)
def test_every_link_of_a_readme_leads_to_a_file_and_can_be_made_absolute(distribution: Distribution) -> None:
    page = (ROOT / distribution.folder / "README.md").read_text()

    targets = [re.sub("#.*", "", link) for link in relative_links(page)]
    missing = [link for link in targets if not (ROOT / posixpath.join(distribution.folder, link)).exists()]

    assert missing == []
    assert relative_links(absolute_links(page, distribution.folder, ADDRESS, "1.2.3")) == []


@pytest.mark.parametrize("distribution", DISTRIBUTIONS[1:], ids=lambda distribution: distribution.name)
def test_an_adapter_has_the_licence_of_the_repository(distribution: Distribution) -> None:
    assert (ROOT / distribution.folder / "LICENSE").read_bytes() == (ROOT / "LICENSE").read_bytes()
