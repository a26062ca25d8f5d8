"""Files of comma-separated values are read as people's spreadsheets save them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudock.policy.csv_file import CSVFileError, decode, parse, with_decimal_point

TEXT = "level;name;weight\r\nuser;Jürgen Müßig;1,5\r\n"


def table(text: str):
    found = parse(text, {"level", "name", "weight"}.__contains__)
    return found.delimiter, found.header, list(found.records)


@pytest.mark.parametrize(
    "content",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.encode("utf-16"),
        TEXT.encode("utf-16-le"),
        TEXT.encode("utf-16-be"),
        b"\xfe\xff" + TEXT.encode("utf-16-be"),
        TEXT.encode("cp1252"),
    ],
)
def test_every_encoding_of_a_spreadsheet_is_read(content: bytes) -> None:
    assert decode(content) == TEXT


def test_a_table_from_a_chinese_spreadsheet_is_read() -> None:
    text = "level,name,weight\r\ngroup,视觉组,2\r\nuser,王小明（教师）,1\r\nuser,李喆,1\r\n"
    assert decode(text.encode("gbk")) == text


@pytest.mark.parametrize("name", ["Müßig", "Zoë", "créée par Noël", "Übergröße"])
def test_a_western_name_is_not_taken_for_chinese(name: str) -> None:
    content = f"level,name\r\nuser,{name}\r\nuser,José\r\n".encode("cp1252", "replace")
    assert decode(content) == content.decode("cp1252")


def test_windows_text_keeps_its_euro_sign_and_its_quotation_marks() -> None:
    assert decode("“10 €”".encode("cp1252")) == "“10 €”"


@pytest.mark.parametrize(
    ("content", "line"),
    [
        (b"level,name\nuser,\x81\n", 2),
        (b"\xef\xbb\xbflevel\n\n\xff", 3),
        (b"\xff\xfea\x00\x00\xd8", 1),
        (b"PK\x03\x04\x00\x00\x00\x00workbook.xlsx", None),
    ],
)
def test_what_is_no_text_is_said_with_its_line(content: bytes, line: int | None) -> None:
    with pytest.raises(CSVFileError, match="CSV UTF-8") as caught:
        decode(content)
    assert line is None or caught.value.line == line
    assert line is None or "UTF-8, UTF-16, Windows-1252 or GBK" in str(caught.value)


@given(st.binary(max_size=60))
def test_no_bytes_are_too_strange(content: bytes) -> None:
    try:
        parse(decode(content), {"level"}.__contains__)
    except CSVFileError as error:
        assert str(error)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_detected(delimiter: str) -> None:
    text = delimiter.join(["level", "name", "weight"]) + "\n" + delimiter.join(["user", "a", "1"])
    assert table(text) == (
        delimiter,
        ("level", "name", "weight"),
        [(2, ("user", "a", "1"))],
    )


def test_the_delimiter_is_not_taken_from_the_text_of_a_cell() -> None:
    """Most signs in the file are commas, but its columns are known with semicolons only."""
    text = 'level;name;"weight"\nuser;"a,b,c,d,e";1\n'
    assert table(text) == (
        ";",
        ("level", "name", "weight"),
        [(2, ("user", "a,b,c,d,e", "1"))],
    )


def test_excel_s_own_line_about_the_delimiter_is_followed_and_counted() -> None:
    assert table("sep=;\r\nlevel;name\r\nuser;a\r\n") == (
        ";",
        ("level", "name"),
        [(3, ("user", "a"))],
    )


def test_lines_are_counted_as_an_editor_counts_them() -> None:
    text = '\r\n\r\nlevel,name\r\nuser,"a\r\nb"\r\n\r\nuser,c\r\n'
    found = parse(text, {"level", "name"}.__contains__)
    assert found.header_line == 3
    assert found.records == ((4, ("user", "a\r\nb")), (7, ("user", "c")))


def test_empty_columns_at_the_end_come_and_go() -> None:
    text = "level,name,weight,,\nuser,a,1,,\nuser,b\nuser,c,,,,,\n,,,,\n"
    assert table(text)[1:] == (
        ("level", "name", "weight"),
        [(2, ("user", "a", "1")), (3, ("user", "b", "")), (4, ("user", "c", ""))],
    )


def test_a_cell_too_many_is_kept_for_a_complaint() -> None:
    assert table("level,name\nuser,a,b\n")[2] == [(2, ("user", "a", "b"))]


@pytest.mark.parametrize(
    ("cell", "delimiter", "number"),
    [
        ("1,5", ";", "1.5"),
        ("0,125", ";", "0.125"),
        ("-2,25", "\t", "-2.25"),
        ("1,5", ",", "1.5"),
        ("1.125", ",", "1.125"),
        ("1.5", ";", "1.5"),
        (",5", ";", ".5"),
        ("1000", ";", "1000"),
        ("1.000,5", ";", "1.000,5"),
        ("none", ";", "none"),
        ("1234,125", ";", "1234.125"),
    ],
)
def test_a_decimal_comma_is_read(cell: str, delimiter: str, number: str) -> None:
    assert with_decimal_point(cell, delimiter) == number


@pytest.mark.parametrize(
    ("cell", "delimiter"), [("1.000", ";"), ("12,500", ";"), ("1,000", ","), ("1.125", "\t")]
)
def test_a_number_that_could_be_thousands_is_not_guessed(cell: str, delimiter: str) -> None:
    with pytest.raises(ValueError, match="it could be"):
        with_decimal_point(cell, delimiter)
