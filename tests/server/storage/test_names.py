import unicodedata
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reka.server.errors import RefusedError
from reka.server.storage.names import secure_name, secure_source

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"]), min_size=1).filter(str.strip)


@pytest.mark.parametrize(
    ("given_name", "stored"),
    [
        ("python-reference", "python-reference"),
        ("../../etc/shadow", "etc_shadow"),
        ("..", "dataset"),
        (".", "dataset"),
        ("/", "dataset"),
        ("a b", "a_b"),
        ("C:\\windows\\system32", "C_windows_system32"),
        ("a/../b", "a_b"),
        ("a.._..b", "a_b"),
        (".hidden", "hidden"),
        ("straße 東京", "straße_東京"),
        ("cafe\u0301", "caf\u00e9"),
        ("v1.2+x@home", "v1.2+x@home"),
        ("\u202egnp.exe", "gnp.exe"),
        ("%2e%2e%2f", "2e_2e_2f"),
        ("x" * 500, "x" * 128),
        ("a" * 200 + "-0123456789abcdef", "a" * 111 + "-0123456789abcdef"),
    ],
)
def test_a_name_becomes_safe_and_one_that_is_safe_stays(given_name: str, stored: str) -> None:
    assert secure_name(given_name, 128) == stored


@pytest.mark.parametrize("name", ["", " ", "\u3000", "a\nb", "a\tb", "\0", "a\x7f", "a\x85b"])
def test_a_name_that_is_empty_or_has_control_characters_is_refused(name: str) -> None:
    with pytest.raises(RefusedError, match="dataset_name"):
        secure_name(name, 128)


@given(NAMES, st.integers(1, 40))
def test_any_other_name_becomes_one_that_is_safe_in_a_path_and_a_url(name: str, max_chars: int) -> None:
    safe = secure_name(name, max_chars)

    assert 1 <= len(safe) <= max_chars
    assert not set(safe) & set('/\\:*?"<>|%#&; \0')
    assert safe not in {".", ".."}
    assert ".." not in safe
    assert not safe.startswith((".", "-"))
    assert safe == unicodedata.normalize("NFC", safe)
    assert quote(safe) not in {".", ".."}


@given(NAMES, st.integers(7, 40))
def test_a_safe_name_stays_as_it_is(name: str, max_chars: int) -> None:
    safe = secure_name(name, max_chars)

    assert secure_name(safe, max_chars) == safe


@pytest.mark.parametrize(
    ("filename", "shown"),
    [("notes.txt", "notes.txt"), ("/etc/passwd", "passwd"), ("a\\b.txt", "b.txt"), ("", "dataset"), ("a\nb", "a_b")],
)
def test_a_file_is_shown_by_the_last_part_of_its_name(filename: str, shown: str) -> None:
    assert secure_source(filename, 128) == shown
