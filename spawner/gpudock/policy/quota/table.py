"""Quotas as a table for spreadsheets: one row for each level's document, one column for each field.

An empty cell is a field that the level does not set, and ``none`` is no limit; a row without any
field is a level without a document. Patterns of models are separated by ``;``; a ``;`` alone allows
none. A boost is one cell with its JSON.
"""

from __future__ import annotations

import contextlib
import csv
import difflib
import io
import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from gpudock.language import Message, message_of, sentences
from gpudock.policy import csv_file
from gpudock.policy.quota.documents import (
    BOOST,
    FIELDS,
    GROUP_FIELDS,
    LEVELS,
    check_place,
    named,
    parse_document,
    with_null,
)
from gpudock.policy.quota.errors import QuotaDocumentError, QuotaTableError, TableProblem

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

COLUMNS = ("level", "name", *FIELDS, *GROUP_FIELDS, BOOST)
NO_LIMIT = "none"
_COUNTS = ("max_gpus", "group_max_gpus")
_LISTS = ("gpu_models",)
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?", re.ASCII | re.IGNORECASE)
_MAX_CHARACTERS = 20 * 2**20
_SHOWN_CHARACTERS = 60
_MAX_COMPARED = 500
_MAX_SEARCHES = 20
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
    """Read and check a whole table.

    Columns may be left out, and come in any order; their names are read in any case, with spaces
    or underscores. The delimiter and the decimal sign are detected. A row that is there twice
    counts once.

    Raises:
        QuotaTableError: with a sentence for every row that is not acceptable.
    """
    if len(text) > _MAX_CHARACTERS:
        message = Message("The table is longer than {most} characters.", most=_MAX_CHARACTERS)
        raise QuotaTableError([TableProblem(None, message)])
    try:
        file = csv_file.parse(text, lambda name: _column_name(name) in COLUMNS)
    except csv_file.CSVFileError as error:
        raise QuotaTableError([TableProblem(error.line, message_of(error))]) from error
    columns = _head(file)
    rows: list[QuotaRow] = []
    problems: list[TableProblem] = []
    seen: dict[tuple[str, str], QuotaRow] = {}
    for line, cells in file.records:
        try:
            read = _row(line, columns, cells, file.delimiter)
        except QuotaTableError as error:
            problems += error.problems
            continue
        earlier = seen.setdefault((read.level, read.name), read)
        if earlier is read:
            rows.append(read)
        elif earlier.document != read.document:
            message = Message(
                "line {line} sets other limits for the same {target}.",
                line=earlier.line,
                target=named(read.level, read.name),
            )
            problems.append(TableProblem(line, message))
    if problems:
        raise QuotaTableError(problems)
    return rows


def unknown_names(
    rows: Iterable[QuotaRow], users: Collection[str], groups: Collection[str]
) -> list[TableProblem]:
    """Return warnings about rows for users and groups that there are not (yet).

    Args:
        rows: the rows of a table.
        users: the names of all users.
        groups: the names of all groups.
    """
    known = {"user": _Names(users), "group": _Names(groups)}
    return [
        TableProblem(row.line, _unknown(row, known[row.level]), "name")
        for row in rows
        if row.level in known and row.name not in known[row.level].names
    ]


def _unknown(row: QuotaRow, known: _Names) -> str:
    name = _shown(row.name)
    if row.level == "group":
        problem = Message('the lab has no group "{name}".', name=name)
    else:
        problem = Message('the lab has no user "{name}".', name=name)
    return sentences(problem, known.hint(row.name))


class _Names:
    """The names that there are, among which similar ones are looked for."""

    def __init__(self, names: Iterable[str]) -> None:
        self.names = frozenset(names)
        self._by_case = {name.casefold(): name for name in names}
        # The search takes long with thousands of names, and helps with typing errors only: a file
        # with many unknown names is not one with typing errors.
        self._searches = _MAX_SEARCHES if len(self._by_case) <= _MAX_COMPARED else 0

    def hint(self, name: str) -> str:
        """Return a question whether a similar name is meant; empty if there is none."""
        folded = name.casefold()
        similar = [folded] if folded in self._by_case else []
        if not similar and self._searches:
            self._searches -= 1
            similar = difflib.get_close_matches(folded, self._by_case, n=1, cutoff=0.8)
        return Message('Is "{name}" meant?', name=self._by_case[similar[0]]) if similar else ""


def _column_name(cell: str) -> str:
    return re.sub(r"[\s_-]+", "_", cell.strip().lower())


def _head(file: csv_file.CSVFile) -> list[str]:
    """Return the names of the columns; empty for one without a name."""
    columns = [_column_name(cell) for cell in file.header]
    for column, cell in zip(columns, file.header, strict=True):
        if cell and column not in COLUMNS:
            known = ", ".join(COLUMNS)
            message = Message(
                'there is no column "{column}". Use some of: {known}.', column=cell, known=known
            )
            raise _in_head(file, message, cell)
    named = [column for column in columns if column]
    twice = next((column for column in named if named.count(column) > 1), None)
    if twice is not None:
        message = Message('the column "{column}" is there twice.', column=twice)
        raise _in_head(file, message, twice)
    for column in COLUMNS[:2]:
        if column not in columns:
            message = Message('the column "{column}" is missing.', column=column)
            raise _in_head(file, message, column)
    return columns


def _in_head(file: csv_file.CSVFile, message: str, column: str) -> QuotaTableError:
    return QuotaTableError([TableProblem(file.header_line, message, column)])


def _row(line: int, columns: list[str], row: Sequence[str], delimiter: str) -> QuotaRow:
    """Return a row.

    Raises:
        QuotaTableError: with a problem for each cell that is not acceptable.
    """
    if len(row) != len(columns):
        message = Message(
            "it has {cells} cells, and the head has {columns}. Put a cell with a {sign} in it into"
            " quotation marks.",
            cells=len(row),
            columns=len(columns),
            sign=Message("tab") if delimiter == "\t" else f'"{delimiter}"',
        )
        raise QuotaTableError([TableProblem(line, message)])
    problems: list[TableProblem] = []
    for place, (column, cell) in enumerate(zip(columns, row, strict=True), start=1):
        if not column and cell.strip():
            message = Message(
                'column {place} has "{value}", but no name in the head.',
                place=place,
                value=_shown(cell),
            )
            problems.append(TableProblem(line, message))
    cells = {column: cell.strip() for column, cell in zip(columns, row, strict=True) if column}
    level, name = cells.pop("level").lower(), _unshielded(cells.pop("name"))
    try:
        check_place(level, name)
    except QuotaDocumentError as error:
        column, value = ("name", name) if level in LEVELS else ("level", level)
        raise QuotaTableError(
            [*problems, _in_cell(line, column, value, message_of(error))]
        ) from error
    document: dict[str, Any] = {}
    for field, cell in cells.items():
        if not cell:
            continue
        try:
            document |= parse_document({field: read_cell(field, cell, delimiter)}, level)
        except ValueError as error:
            problems.append(_in_cell(line, field, cell, message_of(error)))
    if problems:
        raise QuotaTableError(problems)
    return QuotaRow(line, level, name, document or None)


def _in_cell(line: int, column: str, value: str, why: str) -> TableProblem:
    message = Message(
        'column "{column}" has "{value}": {why}',
        column=column,
        value=_shown(value),
        why=with_null(why, f'"{NO_LIMIT}"'),
    )
    return TableProblem(line, message, column)


def _shown(value: str) -> str:
    return value if len(value) <= _SHOWN_CHARACTERS else f"{value[:_SHOWN_CHARACTERS]}…"


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


def read_cell(field: str, cell: str, delimiter: str = ",") -> Any:
    """Read a cell; what makes no sense is left for the document's own check to refuse.

    Args:
        field: the cell's column.
        cell: its text.
        delimiter: of the file that it is in.

    Raises:
        QuotaDocumentError: a boost is not JSON, or a number could be read in two ways.
    """
    if cell.lower() == NO_LIMIT:
        return None
    if field == BOOST:
        try:
            return json.loads(cell)
        except ValueError as error:
            problem = Message("the boost is not JSON ({problem}).", problem=str(error))
            raise QuotaDocumentError(problem) from error
    if field in _LISTS:
        return _read_patterns(_unshielded(cell))
    try:
        return _number(field, csv_file.with_decimal_point(cell, delimiter))
    except ValueError as error:
        raise QuotaDocumentError(message_of(error)) from error


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
