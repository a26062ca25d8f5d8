"""CSV for spreadsheets, which compute every cell that looks like a formula."""

from __future__ import annotations

import csv
import io

import pytest

from gpudock.broker import AuditEntry, UsageRow
from gpudock.desk.api import audit, usage

FORMULAS = ['=HYPERLINK("http://evil";"x")', "+1+1", "-2", "@SUM(1)", "\t=1", "\r=1", "'=1"]


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("name", FORMULAS)
def test_no_name_is_a_formula_in_the_usage_table(name: str) -> None:
    query = usage.UsageQuery(by="group")
    (row,) = rows(usage._table(query, [UsageRow(name, 0.0, 1.0, 1)]))
    assert row["group"] == f"'{name}"


@pytest.mark.parametrize("text", FORMULAS)
def test_nothing_is_a_formula_in_the_audit_table(text: str) -> None:
    entry = AuditEntry(0.0, text, text, text, text, {text: text})
    (row,) = rows(audit._table([entry]))
    for column in ("by", "what", "target"):
        assert row[column] == f"'{text}"
    for column in ("before", "after"):
        assert row[column][0] in "\"'{", "JSON begins with none of a formula's signs"


def test_other_names_are_not_escaped() -> None:
    query = usage.UsageQuery(by="user")
    (row,) = rows(usage._table(query, [UsageRow('ada, "the" first', 0.0, 1.0, 1)]))
    assert row["user"] == 'ada, "the" first'


def test_a_negative_number_as_json_is_not_a_formula() -> None:
    (row,) = rows(audit._table([AuditEntry(0.0, "root", "gpu.slots", "GPU-1", -1, -2)]))
    assert (row["before"], row["after"]) == ("'-1", "'-2")
