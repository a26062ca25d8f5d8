"""Tables as comma-separated values that are safe to open in a spreadsheet."""

from __future__ import annotations

import csv
import datetime as dt
import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "'")


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str | int]]) -> str:
    """Return a table with a header; no cell of text is a formula to a spreadsheet."""
    text = io.StringIO()
    # With this line ending, a cell that contains either of its characters is quoted.
    table = csv.writer(text, lineterminator="\r\n")
    table.writerow(header)
    for row in rows:
        table.writerow([_escaped(cell) if isinstance(cell, str) else cell for cell in row])
    return text.getvalue()


def _escaped(cell: str) -> str:
    return f"'{cell}" if cell.startswith(_FORMULA_STARTS) else cell


def iso(seconds: float) -> str:
    """Return a Unix time as text, in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")
