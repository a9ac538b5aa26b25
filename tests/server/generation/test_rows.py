import pytest

from reka.server.generation.rows import Table, read_table


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
def test_the_first_row_names_the_columns_if_it_alone_has_no_number(mark: str) -> None:
    head, *rows = lines = [f"id{mark}name{mark}price", f"1{mark}Bolt{mark}2.5", f"2{mark}Nut{mark}0.5"]

    assert read_table(lines) == Table(head, rows)
    assert read_table(rows) == Table("", rows)


def test_rows_without_their_first_line_are_read_under_given_columns() -> None:
    assert read_table(["2,Nut"], "id,name") == Table("id,name", ["2,Nut"])


def test_a_heading_with_a_comma_names_no_columns() -> None:
    assert read_table(["Fees are low, not nil."], "Fees, taxes") is None


def test_the_head_of_a_markdown_table_names_its_columns() -> None:
    assert read_table(["| a | b |", "|---|:-:|", "| x | y |"]) == Table("| a | b |", ["| x | y |"])


@pytest.mark.parametrize(
    "lines",
    [
        ['{"id": 1}', '{"id": 2, "name": "x, y"}'],
        ["2024-05-01 12:00:01 started", "2024-05-01 12:00:02 failed, twice"],
        ['1,"Bolt, long",2', "2,Nut,3"],
    ],
    ids=["JSON lines", "log", "quoted commas"],
)
def test_other_rows_are_rows_too(lines: list[str]) -> None:
    table = read_table(lines)

    assert table is not None
    assert list(table.rows) == lines


@pytest.mark.parametrize(
    "lines",
    [
        ["He came, saw, and left", "again, quickly, and alone"],
        ["One sentence, with a comma."],
        ["First the ferry, then the train", "and nothing else"],
    ],
)
def test_prose_with_commas_is_no_table(lines: list[str]) -> None:
    assert read_table(lines) is None
