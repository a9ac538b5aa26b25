"""What of a document's metadata is searched with its text."""

import pytest

from reka.server.ingest.reader import MAX_ABOUT_CHARS, about_of


@pytest.mark.parametrize(
    ("metadata", "about"),
    [
        (
            {"company": "Acme", "years": [2019, 2020], "box": {"x": 1}, "none": None},
            "company: Acme\nyears: 2019, 2020\n",
        ),
        ({"company": "Acme", "_searched": "maker: Acme"}, "maker: Acme\n"),
        ({"company": "Acme", "_searched": ""}, ""),
        ({"company": "Acme", "_searched": 3}, "company: Acme\n_searched: 3\n"),
    ],
)
def test_plain_values_are_searched_unless_the_metadata_says_what_is(metadata: dict[str, object], about: str) -> None:
    assert about_of(metadata) == about


@pytest.mark.parametrize("key", ["title", "_searched"])
def test_the_beginning_of_much_metadata_is_searched(key: str) -> None:
    assert len(about_of({key: "word " * MAX_ABOUT_CHARS})) == MAX_ABOUT_CHARS + 1
