"""Quotas as a table for spreadsheets: one row for each level's document, one column for each field.

An empty cell is a field that the level does not set, and ``none`` is no limit; a row without any
field is a level without a document. Patterns of models are separated by ``;``; a ``;`` alone allows
none. A boost is one cell with its JSON.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpudock.policy.quota.documents import (
    BOOST,
    FIELDS,
    GROUP_FIELDS,
    check_place,
    parse_document,
)
from gpudock.policy.quota.errors import QuotaDocumentError, QuotaTableError, TableProblem

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COLUMNS = ("level", "name", *FIELDS, *GROUP_FIELDS, BOOST)
NO_LIMIT = "none"
_COUNTS = ("max_gpus", "group_max_gpus")
_LISTS = ("gpu_models",)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)
_MAX_CHARACTERS = 20 * 2**20
# A spreadsheet takes a cell that begins so for a formula and computes it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
_SHIELD = "'"


@dataclass(frozen=True, slots=True)
class QuotaRow:
    """One row.

    Attributes:
        line: its line in the file, for messages; 1 is the head.
        level: ``default``, ``group`` or ``user``.
        name: the group's or user's name; empty for the default.
        document: the checked document; ``None``: the level has none.
    """

    line: int
    level: str
    name: str
    document: dict[str, Any] | None


def write_table(documents: Iterable[tuple[str, str, Mapping[str, Any]]]) -> str:
    """Return documents, each with its level and name, as a table."""
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    table.writerow(COLUMNS)
    for level, name, document in documents:
        cells = [_written(field, document) for field in COLUMNS[2:]]
        table.writerow([level, _shielded(name), *cells])
    return text.getvalue()


def read_table(text: str) -> list[QuotaRow]:
    """Read and check a whole table. Columns may be left out, and come in any order.

    Raises:
        QuotaTableError: with a sentence for every row that is not acceptable.
    """
    if len(text) > _MAX_CHARACTERS:
        problem = TableProblem(None, f"The table is longer than {_MAX_CHARACTERS} characters.")
        raise QuotaTableError([problem])
    lines = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), strict=True)
    try:
        columns = _head(next(lines, []))
        cells = [(lines.line_num, row) for row in lines if any(cell.strip() for cell in row)]
    except csv.Error as error:
        message = f"this is not a table of comma-separated values ({error})."
        raise QuotaTableError([TableProblem(lines.line_num, message)]) from error
    rows: list[QuotaRow] = []
    problems: list[TableProblem] = []
    seen: dict[tuple[str, str], int] = {}
    for line, row in cells:
        try:
            read = _row(line, columns, row)
        except QuotaDocumentError as error:
            problems.append(TableProblem(line, str(error)))
            continue
        earlier = seen.setdefault((read.level, read.name), line)
        if earlier != line:
            message = f"line {earlier} is about the same {_target(read)}."
            problems.append(TableProblem(line, message))
        rows.append(read)
    if problems:
        raise QuotaTableError(problems)
    return rows


def _head(cells: list[str]) -> list[str]:
    columns = [cell.strip() for cell in cells]
    for column in columns:
        if column not in COLUMNS:
            known = ", ".join(COLUMNS)
            raise _in_head(f'there is no column "{column}". Use some of: {known}.')
    twice = next((column for column in columns if columns.count(column) > 1), None)
    if twice is not None:
        raise _in_head(f'the column "{twice}" is there twice.')
    for column in COLUMNS[:2]:
        if column not in columns:
            raise _in_head(f'the column "{column}" is missing.')
    return columns


def _in_head(message: str) -> QuotaTableError:
    return QuotaTableError([TableProblem(1, message)])


def _row(line: int, columns: list[str], row: list[str]) -> QuotaRow:
    if len(row) != len(columns):
        raise QuotaDocumentError(f"it has {len(row)} cells, and the head has {len(columns)}.")
    cells = dict(zip(columns, (cell.strip() for cell in row), strict=True))
    level, name = cells.pop("level"), _unshielded(cells.pop("name"))
    check_place(level, name)
    document = {field: read_cell(field, cell) for field, cell in cells.items() if cell}
    return QuotaRow(line, level, name, parse_document(document, level) if document else None)


def _written(field: str, document: Mapping[str, Any]) -> str:
    if field not in document:
        return ""
    value = document[field]
    if value is None:
        return NO_LIMIT
    if field == BOOST:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    if field in _LISTS:
        return _shielded(_written_patterns(value))
    return str(value)


def _written_patterns(patterns: Sequence[str]) -> str:
    if any(";" in pattern or pattern != pattern.strip() for pattern in patterns):
        return json.dumps(list(patterns), ensure_ascii=False)
    return ";".join(patterns) or ";"


def read_cell(field: str, cell: str) -> Any:
    """Read a cell; what makes no sense is left for the document's own check to refuse.

    Raises:
        QuotaDocumentError: a boost is not JSON.
    """
    if cell.lower() == NO_LIMIT:
        return None
    if field == BOOST:
        try:
            return json.loads(cell)
        except ValueError as error:
            raise QuotaDocumentError(f"the boost is not JSON ({error}).") from error
    if field in _LISTS:
        return _read_patterns(_unshielded(cell))
    return _number(field, cell)


def _read_patterns(cell: str) -> list[Any]:
    if cell.startswith('["'):
        with contextlib.suppress(ValueError):
            found = json.loads(cell)
            return found if isinstance(found, list) else [found]
    return [pattern.strip() for pattern in cell.split(";") if pattern.strip()]


def _number(field: str, cell: str) -> int | float | str:
    if not _NUMBER.fullmatch(cell):  # Python also accepts `1_0` and `infinity`
        return cell
    for kind in (int,) if field in _COUNTS else (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


def _shielded(cell: str) -> str:
    return f"{_SHIELD}{cell}" if cell.startswith((*_FORMULA, _SHIELD)) else cell


def _unshielded(cell: str) -> str:
    return cell[1:] if cell.startswith(_SHIELD) else cell


def _target(row: QuotaRow) -> str:
    return f'{row.level} "{row.name}"' if row.name else row.level
