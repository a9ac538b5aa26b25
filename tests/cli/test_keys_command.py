"""`reka keys`: making, listing and revoking the keys of a server."""

from pathlib import Path

import pytest

from tests.support.command_line import Command


def test_a_key_is_shown_once_and_kept_as_a_digest(command: Command, tmp_path: Path) -> None:
    made = command("keys", "create", "ann", "--data-dir", str(tmp_path))
    listed = command("keys", "list", "--data-dir", str(tmp_path))

    key = made.out.strip()
    assert made.code == listed.code == 0
    assert key.startswith("reka_")
    assert "ann" in listed.out
    assert key not in listed.out
    assert not [file for file in tmp_path.rglob("*") if file.is_file() and key.encode() in file.read_bytes()]


def test_keys_as_json_tell_whose_they_are(command: Command, tmp_path: Path) -> None:
    made = command("keys", "create", "ann", "--json", "--data-dir", str(tmp_path)).json
    listed = command("keys", "list", "--json", "--data-dir", str(tmp_path)).json

    assert made["owner"] == "ann"
    assert made["key"].startswith("reka_")
    assert [key["owner"] for key in listed] == ["ann"]
    assert made["key"] not in str(listed)


def test_a_key_is_revoked_by_the_id_that_the_list_shows(command: Command, tmp_path: Path) -> None:
    for owner in ("ann", "bob"):
        command("keys", "create", owner, "--data-dir", str(tmp_path))
    table = command("keys", "list", "--data-dir", str(tmp_path)).out
    key_id = next(line.split()[0] for line in table.splitlines() if "ann" in line)

    revoked = command("keys", "revoke", key_id, "--json", "--data-dir", str(tmp_path))

    assert (revoked.code, revoked.json["owner"]) == (0, "ann")
    assert [key["owner"] for key in command("keys", "list", "--json", "--data-dir", str(tmp_path)).json] == ["bob"]


def test_the_last_key_revoked_leaves_none(command: Command, tmp_path: Path) -> None:
    key = command("keys", "create", "ann", "--data-dir", str(tmp_path)).out.strip()

    revoked = command("keys", "revoke", key, "--data-dir", str(tmp_path))

    assert revoked.code == 0
    assert "the server accepts no key until one is created" in revoked.err
    assert "the server accepts none" in command("keys", "list", "--data-dir", str(tmp_path)).err


def test_an_unknown_id_revokes_nothing(command: Command, tmp_path: Path) -> None:
    command("keys", "create", "ann", "--data-dir", str(tmp_path))

    outcome = command("keys", "revoke", "0123456789ab", "--data-dir", str(tmp_path))

    assert outcome.code == 1
    assert "reka keys list shows the ids" in outcome.err
    assert len(command("keys", "list", "--json", "--data-dir", str(tmp_path)).json) == 1


def test_a_key_wants_an_owner(command: Command, tmp_path: Path) -> None:
    outcome = command("keys", "create", " ", "--data-dir", str(tmp_path))

    assert outcome.code == 2
    assert "owner" in outcome.err


@pytest.mark.parametrize("arguments", [("list",), ("revoke", "0123456789ab")], ids=["list", "revoke"])
def test_a_folder_with_no_servers_data_is_named_and_left_alone(
    command: Command, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    outcome = command("keys", *arguments, "--data-dir", str(tmp_path / "typo"))

    assert outcome.code == 2
    assert "typo" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_no_folder_is_named(command: Command, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("", encoding="utf-8")

    outcome = command("keys", "create", "ann", "--data-dir", str(file))

    assert outcome.code == 1
    assert str(file) in outcome.err


def test_keys_are_kept_in_the_database_that_is_named_and_no_data_folder_is_made(
    command: Command, tmp_path: Path
) -> None:
    place = ("--database-url", f"sqlite:///{tmp_path}/keys.sqlite", "--data-dir", str(tmp_path / "data"))

    command("keys", "create", "ann", *place)

    assert [key["owner"] for key in command("keys", "list", "--json", *place).json] == ["ann"]
    assert not (tmp_path / "data").exists()


def test_a_database_that_cannot_be_opened_is_told_without_its_password(command: Command) -> None:
    outcome = command("keys", "list", "--database-url", "postgresql://ann:s3cret@127.0.0.1:1/reka")

    assert outcome.code == 1
    assert "--database-url: cannot open the database" in outcome.err
    assert "s3cret" not in outcome.err + outcome.out


@pytest.mark.parametrize("arguments", [("list",), ("revoke", "0123456789ab")], ids=["list", "revoke"])
def test_a_database_that_is_not_there_is_not_made(command: Command, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    outcome = command("keys", *arguments, "--database-url", f"sqlite:///{tmp_path}/typo")

    assert outcome.code == 1
    assert "the database has no server's data" in outcome.err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_has_lost_its_database_has_no_keys_to_list(command: Command, tmp_path: Path) -> None:
    command("keys", "create", "ann", "--data-dir", str(tmp_path))
    (tmp_path / "reka.sqlite").unlink()

    outcomes = [
        command("keys", *arguments, "--data-dir", str(tmp_path)) for arguments in (("list",), ("create", "ann"))
    ]

    assert [outcome.code for outcome in outcomes] == [1, 1]
    assert all("has lost its database" in outcome.err for outcome in outcomes)
