import pytest
from hypothesis import given
from hypothesis import strategies as st
from semantic_text_splitter import TextSplitter

from reka.server.retrieval.chunking import BLOCK_CHARS, blocks, chunks, pieces

PARAGRAPH = "A sentence of some words. Another one, a little longer than the first. And a third.\n\n"


def cut(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


@given(st.text("ab. \n", max_size=300), st.integers(1, 20), st.integers(1, 50))
def test_blocks_joined_are_the_text_and_know_where_they_stand(text: str, piece: int, size: int) -> None:
    found = list(blocks(cut(text, piece), size))

    assert "".join(block for _, block in found) == text
    assert all(text[start : start + len(block)] == block and len(block) <= size for start, block in found)


@pytest.mark.parametrize(
    ("text", "first"),
    [
        ("aaa bbb\n\nccc ddd", "aaa bbb\n\n"),
        ("aaa bbb\nccc ddd", "aaa bbb\n"),
        ("aaa. bbb. ccc ddd", "aaa. bbb. "),
        ("aaa bbb cc ddd", "aaa bbb cc "),
        ("aaaaaaaaaaaaaaa", "aaaaaaaaaaaa"),
    ],
    ids=["paragraph", "line", "sentence", "word", "nothing"],
)
def test_a_block_ends_at_the_best_break(text: str, first: str) -> None:
    assert next(blocks([text], 12)) == (0, first)


@pytest.mark.parametrize("piece", [1000, 70_000], ids=["small-pieces", "large-pieces"])
def test_chunks_of_a_text_of_many_blocks_stand_where_they_say(piece: int) -> None:
    text = "\n\n".join(PARAGRAPH.replace("A sentence", f"Sentence {number}") for number in range(2500))
    assert len(text) > 3 * BLOCK_CHARS

    found = list(chunks(cut(text, piece), "a.txt", 800))

    assert all(text[chunk.position : chunk.position + len(chunk.text)] == chunk.text for chunk in found)
    assert all(0 < len(chunk.text) <= 800 and chunk.source == "a.txt" for chunk in found)
    assert "".join(chunk.text for chunk in found).replace("\n", "") == text.replace("\n", "")


def test_a_chunk_keeps_sentences_whole() -> None:
    found = list(chunks([PARAGRAPH * 40], "a.txt", 300))

    assert all(chunk.text.endswith(".") and chunk.text[0].isupper() for chunk in found)


@pytest.mark.parametrize("text", ["", " ", "\n\n\t\n", "\u2028\u3000"])
def test_white_space_has_no_chunks(text: str) -> None:
    assert list(chunks([text], "a.txt", 800)) == []


def test_a_text_without_any_break_is_cut_where_a_chunk_is_full() -> None:
    found = list(chunks(["x" * 2000], "a.txt", 800))

    assert [len(chunk.text) for chunk in found] == [800, 800, 400]


@given(st.text("ab .,!\n\t\r\x0b\x0c\x1c\x1f\x85\xa0\u1680\u2000\u2028\u3000\u200b\ufeff日é😀", max_size=50))
def test_a_text_that_fits_is_one_chunk_as_the_splitter_would_make_it(text: str) -> None:
    assert list(pieces(text, 50)) == [piece for piece in TextSplitter(50).chunk_indices(text) if piece[1].strip()]
