"""Quotas as a table: what is written is read back, and problems are reported by line."""

from __future__ import annotations

import csv
import difflib
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudock.policy.quota.errors import QuotaTableError
from gpudock.policy.quota.table import COLUMNS, read_table, unknown_names, write_table

DOCUMENTS = [
    ("default", "", {"max_gpus": 1, "max_session_hours": 12.0}),
    ("group", "vision", {"weight": 2.0, "gpu_hours": None, "group_max_gpus": 8}),
    ("user", "ada", {"gpu_models": ("*A100*", "*H100*"), "max_gpus": 0}),
    (
        "user",
        "bob",
        {"max_gpus": None, "boost": {"until": "2026-12-01T00:00:00+00:00", "max_gpus": 4}},
    ),
]


def as_documents(text: str):
    return [(row.level, row.name, row.document) for row in read_table(text)]


def test_what_is_written_is_read_back():
    assert as_documents(write_table(DOCUMENTS)) == DOCUMENTS


def test_the_table_is_one_that_people_can_read():
    lines = write_table(DOCUMENTS).splitlines()
    assert lines[0] == ",".join(COLUMNS)
    row = dict(zip(COLUMNS, next(csv.reader([lines[2]])), strict=True))
    assert row["name"] == "vision"
    assert row["gpu_hours"] == "none"
    assert row["max_gpus"] == ""


def test_columns_may_be_left_out_and_come_in_any_order():
    assert as_documents("max_gpus,name,level\n2,ada,user\n") == [("user", "ada", {"max_gpus": 2})]


def test_a_row_without_fields_takes_the_document_away():
    assert as_documents("level,name,max_gpus\nuser,ada,\n") == [("user", "ada", None)]


def test_empty_lines_a_byte_order_mark_and_windows_line_ends_do_no_harm():
    text = "\ufefflevel,name,max_gpus\r\n\r\nuser,ada,2\r\n,,\r\n"
    assert as_documents(text) == [("user", "ada", {"max_gpus": 2})]


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@sum", "'quoted", "Zoë, the “first”", 'a"b'])
def test_no_name_becomes_a_formula_and_none_is_lost(name):
    text = write_table([("user", name, {"max_gpus": 1})])
    cell = list(csv.reader(io.StringIO(text)))[1][1]
    assert not cell.startswith(("=", "+", "-", "@"))
    assert as_documents(text) == [("user", name, {"max_gpus": 1})]


@pytest.mark.parametrize("patterns", [(), ("*A100*",), ("[AH]100", "L?"), ("a;b", "c"), ("=x",)])
def test_patterns_survive(patterns):
    documents = [("user", "ada", {"gpu_models": patterns})]
    assert as_documents(write_table(documents)) == documents


names = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1, max_size=40).filter(
    lambda name: name == name.strip()
)


@pytest.mark.integration
@given(st.dictionaries(names, st.integers(0, 1_000_000), max_size=20))
def test_any_names_survive(limits):
    documents = [("user", name, {"max_gpus": limit}) for name, limit in limits.items()]
    assert as_documents(write_table(documents)) == documents


@pytest.mark.parametrize(
    ("text", "line", "word"),
    [
        ("level,name,gpus\nuser,ada,1\n", 1, '"gpus"'),
        ("level,max_gpus\nuser,1\n", 1, '"name" is missing'),
        ("", 1, "missing"),
        ("level,name,name\nuser,ada,bob\n", 1, "twice"),
        ("level,name,max_gpus\nusers,ada,1\n", 2, '"user"'),
        ("level,name,max_gpus\nuser,,1\n", 2, "name of a user"),
        ("level,name,max_gpus\ndefault,ada,1\n", 2, "no name"),
        ("level,name,max_gpus\nuser,ada,1.5\n", 2, "max_gpus"),
        ("level,name,max_gpus\nuser,ada,-1\n", 2, "max_gpus"),
        ("level,name,max_gpus\nuser,ada,1_0\n", 2, "max_gpus"),
        ("level,name,max_gpus\nuser,ada,１\n", 2, "max_gpus"),
        ("level,name,max_gpus\nuser,ada,0x1\n", 2, "max_gpus"),
        (f"level,name,max_gpus\nuser,ada,{'9' * 5000}\n", 2, "max_gpus"),
        ("level,name,gpu_hours\nuser,ada,1_0\n", 2, "gpu_hours"),
        ("level,name,gpu_hours\nuser,ada,1e400\n", 2, "gpu_hours"),
        (f"level,name,gpu_hours\nuser,ada,{'9' * 5000}\n", 2, "gpu_hours"),
        ("level,name,gpu_hours\nuser,ada,nan\n", 2, "gpu_hours"),
        ("level,name,gpu_hours\nuser,ada,inf\n", 2, "gpu_hours"),
        ("level,name,weight\nuser,ada,none\n", 2, "weight"),
        ("level,name,group_max_gpus\nuser,ada,3\n", 2, "group"),
        ("level,name,boost\nuser,ada,{\n", 2, "JSON"),
        ("level,name,max_gpus\nuser,ada,1,2\n", 2, "4 cells"),
        ("level,name,max_gpus\nuser,ada,1\nuser,ada,2\n", 3, "line 2"),
        ("level,name,max_gpus,\nuser,ada,1,7\n", 2, "4 cells"),
        ("level,name,,max_gpus\nuser,ada,7,1\n", 2, 'column 3 has "7"'),
        ("level;name;gpu_hours\nuser;ada;1.000\n", 2, '"1.000": it could be 1000 or 1.000'),
        ("level;name;gpu_models\nuser;ada;*A100*;*H100*\n", 2, 'with a ";" in it'),
        ('level,name,max_gpus\nuser,"a\nb",1\n', 2, "control characters"),
        ("Level,Name,Max GPU\nuser,ada,1\n", 1, '"Max GPU"'),
        ('level,name,max_gpus\nuser,"ada,1\n', 2, "comma-separated"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text, line, word):
    with pytest.raises(QuotaTableError) as caught:
        read_table(text)
    (problem,) = caught.value.problems
    assert problem.line == line
    assert word in problem.message
    assert str(caught.value) == f"Line {line}: {problem.message}"


def test_an_error_names_line_column_and_value():
    text = "level;name;max_gpus;weight\nuser;ada;two;1\nuser;bob;1;much\n"
    with pytest.raises(QuotaTableError) as caught:
        read_table(text)
    first, second = caught.value.problems
    assert (first.line, first.column, second.line, second.column) == (2, "max_gpus", 3, "weight")
    assert first.message == (
        'column "max_gpus" has "two": max_gpus is a whole number from 0 to 1000000, or "none" for'
        " no limit."
    )
    assert 'column "weight" has "much": ' in second.message


def test_every_bad_cell_of_a_row_is_told_at_once():
    with pytest.raises(QuotaTableError) as caught:
        read_table("level,name,max_gpus,weight\nuser,ada,x,y\n")
    assert [problem.column for problem in caught.value.problems] == ["max_gpus", "weight"]


def test_a_table_from_a_german_spreadsheet_is_read():
    text = (
        "Level;Name;Max GPUs;GPU-Hours;gpu models;;\r\n"
        'User;ada;2;12,5;"*A100*;*H100*";;\r\n'
        "group;Bild-Verarbeitung;;0,25;;;\r\n"
        ";;;;;;\r\n"
        "default;;1\r\n"
    )
    assert as_documents(text) == [
        ("user", "ada", {"max_gpus": 2, "gpu_hours": 12.5, "gpu_models": ("*A100*", "*H100*")}),
        ("group", "Bild-Verarbeitung", {"gpu_hours": 0.25}),
        ("default", "", {"max_gpus": 1}),
    ]


def test_a_row_that_is_there_twice_counts_once():
    text = "level,name,weight\nuser,ada,1\nuser,bob,2\nuser,ada,1.0\n"
    assert as_documents(text) == [
        ("user", "ada", {"weight": 1.0}),
        ("user", "bob", {"weight": 2.0}),
    ]


def test_every_bad_row_is_told_at_once():
    with pytest.raises(QuotaTableError) as caught:
        read_table("level,name,max_gpus\nuser,ada,x\nuser,bob,1\nuser,cy,y\n")
    assert len(caught.value.problems) == 2


def test_a_huge_table_is_refused():
    with pytest.raises(QuotaTableError, match=r"^The table is longer") as caught:
        read_table("level,name,max_gpus\n" + "user,ada,1\n" * 2_000_000)
    assert [problem.line for problem in caught.value.problems] == [None]


def test_users_and_groups_that_there_are_not_are_named():
    rows = read_table(
        "level,name,weight\nuser,ada,1\nuser,Bob,1\nuser,grase,1\nuser,x,1\ngroup,vison,1\n"
        "default,,1\n"
    )
    warnings = unknown_names(rows, ["ada", "bob", "grace"], ["vision"])
    assert [(warning.line, warning.message) for warning in warnings] == [
        (3, 'the lab has no user "Bob". Is "bob" meant?'),
        (4, 'the lab has no user "grase". Is "grace" meant?'),
        (5, 'the lab has no user "x".'),
        (6, 'the lab has no group "vison". Is "vision" meant?'),
    ]


def test_ten_thousand_unknown_names_are_not_all_compared(monkeypatch) -> None:
    compared = []
    close = difflib.get_close_matches

    def counted(name, names, **options):
        compared.append(name)
        return close(name, names, **options)

    monkeypatch.setattr(difflib, "get_close_matches", counted)
    rows = read_table(
        "level,name,max_gpus\nuser,AM0,1\n"
        "user,adaa,1\n" + "".join(f"user,m{n}x,1\n" for n in range(1000))
    )
    warnings = unknown_names(rows, ["ada", *(f"am{n}" for n in range(200))], [])
    assert len(warnings) == len(rows)
    assert 'Is "am0" meant?' in warnings[0].message
    assert 'Is "ada" meant?' in warnings[1].message
    assert len(compared) <= 20
