from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from llama_index.core.base.llms.types import (
    AudioBlock,
    CitableBlock,
    CitationBlock,
    DocumentBlock,
    ImageBlock,
    VideoBlock,
)

import reka
from llamaindex_reka.media import MAX_DOCUMENT_BYTES, read
from llamaindex_reka.messages import messages_for

from .llamaindex_support import MP4, PDF, PNG, URL, WAV, data_url, part, said, text


@pytest.mark.parametrize(
    ("block_type", "name", "content", "wanted"),
    [
        (ImageBlock, "a.png", PNG, part("image_url", data_url("image/png", PNG))),
        (ImageBlock, "a-png-by.jpg", PNG, part("image_url", data_url("image/png", PNG))),
        (VideoBlock, "a.mp4", MP4, part("video_url", data_url("video/mp4", MP4))),
        (AudioBlock, "a.wav", WAV, part("audio_url", data_url("audio/x-wav", WAV))),
        (DocumentBlock, "a.pdf", PDF, part("pdf_url", data_url("application/pdf", PDF))),
        (DocumentBlock, "a.txt", b"Hold it.", text("Hold it.")),
    ],
)
def test_a_path_is_read_and_sent_as_what_its_content_is(
    tmp_path: Path, block_type: Any, name: str, content: bytes, wanted: dict[str, str]
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    messages = [said("user", "What is it?", block_type(path=path))]

    assert messages_for(read(messages, tmp_path))[0]["content"][-1] == (
        wanted if wanted["type"] != "text" else text("What is it?\nHold it.")
    )
    assert messages[0].blocks[1].path == path  # type: ignore[union-attr]  # the block is one with a path


def test_an_open_file_may_be_sent_twice() -> None:
    messages = [said("user", ImageBlock(image=BytesIO(PNG)))]

    assert messages_for(read(messages, None)) == messages_for(read(messages, None))


def test_messages_with_nothing_to_read_are_given_back_as_they_are() -> None:
    messages = [said("user", "Hi", ImageBlock(url=URL))]

    assert read(messages, None) is messages


@pytest.mark.parametrize(
    ("content", "error"),
    [(b"", "empty"), (PDF, "application/pdf; want image/"), (None, "does not exist")],
    ids=["empty", "another type", "gone"],
)
def test_a_path_that_cannot_be_sent_is_an_error_that_names_message_block_and_path(
    tmp_path: Path, content: bytes | None, error: str
) -> None:
    path = tmp_path / "a.png"
    path.touch()
    block = ImageBlock(path=path)
    path.unlink()
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(reka.InvalidConversationError, match=rf"message 1, block 1 \(type 'image'\): .*a\.png.*{error}"):
        read([said("system", "Be brief."), said("user", "What?", block)], tmp_path)


@pytest.mark.parametrize(("content", "error"), [(b"", "is empty"), (None, "cannot be read")], ids=["empty", "gone"])
def test_a_document_that_cannot_be_read_is_an_error_that_names_it(
    tmp_path: Path, content: bytes | None, error: str
) -> None:
    path = tmp_path / "a.txt"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(
        reka.InvalidConversationError, match=rf"message 0, block 0 \(type 'document'\): .*a\.txt.*{error}"
    ):
        read([said("user", DocumentBlock(path=str(path)))], tmp_path)


def test_a_document_that_never_ends_is_no_file() -> None:
    with pytest.raises(reka.InvalidConversationError, match="'/dev/zero' is no file"):
        read([said("user", DocumentBlock(path="/dev/zero"))], "/dev")


def test_a_document_that_is_too_large_is_refused_by_its_size() -> None:
    with pytest.raises(reka.InvalidConversationError, match="larger than 32 MiB"):
        read([said("user", DocumentBlock(data=BytesIO(bytes(MAX_DOCUMENT_BYTES + 1))))], None)


def test_files_inside_of_other_blocks_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(PNG)
    image = ImageBlock(path=path)
    citation = CitationBlock(cited_content=image, source="s", title="t", additional_location_info={})
    messages = [said("user", CitableBlock(title="t", source="s", content=[image]), citation)]

    (message,) = messages_for(read(messages, tmp_path))

    assert [part["type"] for part in message["content"]] == ["text", "image_url", "text", "image_url"]


@pytest.mark.parametrize("block_type", [ImageBlock, VideoBlock, AudioBlock, DocumentBlock])
def test_no_path_is_read_unless_the_user_has_named_a_folder(tmp_path: Path, block_type: Any) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Mine.")

    with pytest.raises(reka.InvalidConversationError, match=r"RekaLLM\(media_root=\.\.\.\)"):
        read([said("user", block_type(path=path))], None)


def test_paths_and_links_out_of_the_folder_are_not_read(tmp_path: Path) -> None:
    root, outside = tmp_path / "media", tmp_path / "media-of-others"
    root.mkdir()
    outside.mkdir()
    (outside / "a.txt").write_text("Not mine.")
    (root / "link.txt").symlink_to(outside / "a.txt")
    (root / "folder").symlink_to(outside)
    (root / "round").symlink_to(root / "round")
    paths = ("link.txt", "folder/a.txt", "../media-of-others/a.txt", "round", str(outside / "a.txt"), "/etc/passwd")

    for path in paths:
        with pytest.raises(reka.InvalidConversationError, match=r"below media_root|cannot be read"):
            read([said("user", DocumentBlock(path=str(root / path)))], root)


def test_a_link_within_the_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("Hold it.")
    (tmp_path / "link.txt").symlink_to(tmp_path / "a.txt")

    messages = read([said("user", DocumentBlock(path=str(tmp_path / "link.txt")))], str(tmp_path))

    assert messages_for(messages)[0]["content"] == [text("Hold it.")]


@pytest.mark.parametrize("role", ["tool", "function"])
def test_no_path_in_the_result_of_a_tool_is_read(tmp_path: Path, role: str) -> None:
    (tmp_path / "a.txt").write_text("Mine.")

    with pytest.raises(reka.InvalidConversationError, match="a tool's result names no files"):
        read([said(role, DocumentBlock(path=str(tmp_path / "a.txt")))], tmp_path)
