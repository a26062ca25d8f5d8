"""Files of comma-separated values as people make them.

A spreadsheet saves them in the encoding, with the delimiter and with the decimal sign of its
language: Excel in German writes Windows-1252 or UTF-16, semicolons and decimal commas, and Excel in
Chinese GBK. What a file uses is detected; what could mean two things is an error, not a guess.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DELIMITERS = (",", ";", "\t")

_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PROBED_BYTES = 2000
# Excel understands this first line, and some programs write it.
_DELIMITER_LINE = re.compile(r"\s*\"?sep=(.)\"?[;,\t]*\s*(\r\n|\r|\n|$)", re.IGNORECASE)
_DECIMAL = re.compile(r"([+-]?)([0-9]*)([.,])([0-9]+)", re.ASCII)
_THOUSAND_DIGITS = 3


class CSVFileError(ValueError):
    """A file cannot be read. The message is a sentence for the person who sent it.

    Attributes:
        line: the line in the file, from 1; ``None``: the file as a whole.
    """

    def __init__(self, message: str, line: int | None = None) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class CSVFile:
    """A file as a table.

    Attributes:
        delimiter: what separates its cells.
        header: the cells of its first record that is not empty, stripped, without empty columns
            at the end.
        header_line: the line of the header, from 1.
        records: the others that are not empty, each with the line where it begins. All have as
            many cells as the header, unless they have more that are not empty.
    """

    delimiter: str
    header: tuple[str, ...]
    header_line: int
    records: tuple[tuple[int, tuple[str, ...]], ...]


def decode(content: bytes) -> str:
    """Return the text of a file without a byte order mark.

    The file is in UTF-8 or UTF-16, or in the encoding of Windows in western Europe or in China.

    Raises:
        CSVFileError: it is not text, or in another encoding.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if content.startswith(mark):
            return _decoded(content[len(mark) :], encoding)
    if b"\0" in content[:_PROBED_BYTES]:
        return _decoded(content, _utf_16_of(content))
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return _decoded(content, "gb18030" if _is_gbk(content) else "cp1252")


def _is_gbk(content: bytes) -> bool:
    """Return whether a text that is not UTF-8 is in GBK, rather than in Windows-1252.

    Most Chinese characters in use are in GB2312, a part of GBK in which both bytes of a character
    are above 160. In western languages a letter with an accent mostly stands beside ASCII.
    """
    try:
        characters = [c for c in content.decode("gb18030") if not c.isascii()]
    except UnicodeDecodeError:
        return False
    common = sum(len(c.encode("gb2312", "ignore")) > 0 for c in characters)
    return common > len(characters) / 2


def _utf_16_of(content: bytes) -> str:
    """Return which UTF-16 a text without a mark is in: mostly ASCII, it is zeros on one side."""
    probe = content[:_PROBED_BYTES]
    return "utf-16-be" if probe[0::2].count(0) > probe[1::2].count(0) else "utf-16-le"


def _decoded(content: bytes, encoding: str) -> str:
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        message = Message(
            "the file is not text in UTF-8, UTF-16, Windows-1252 or GBK (byte {byte})."
            ' Save it as "CSV UTF-8".',
            byte=error.start,
        )
        raise CSVFileError(message, line) from error
    if "\0" in text:
        raise CSVFileError(Message('This is not a text file. Save the table as "CSV UTF-8".'))
    return text


def parse(text: str, known: Callable[[str], bool]) -> CSVFile:
    """Return the table in a text, with the delimiter that suits its header best.

    Args:
        text: the text; a byte order mark is ignored.
        known: whether a cell of a header is one that the file should have.

    Raises:
        CSVFileError: it is not a table, for example because a quotation mark is not closed.
    """
    declared, text = declared_delimiter(text.removeprefix("\ufeff"))
    skipped = 0 if declared is None else 1
    if declared is not None:
        delimiter = declared
    else:
        delimiter = max(DELIMITERS, key=lambda item: _suits(text, item, known))
    records = _records(text, delimiter, skipped)
    header_line, cells = next(records, (1, ()))
    header = _without_empty_end(tuple(cell.strip() for cell in cells))
    return CSVFile(
        delimiter,
        header,
        header_line,
        tuple((line, _fitted(row, len(header))) for line, row in records),
    )


def declared_delimiter(text: str) -> tuple[str | None, str]:
    """Return the delimiter that Excel's own first line names, if there is one, and the rest."""
    found = _DELIMITER_LINE.match(text)
    if found is None or found[1] not in DELIMITERS:
        return None, text
    return found[1], text[found.end() :]


def _suits(text: str, delimiter: str, known: Callable[[str], bool]) -> tuple[int, int]:
    """Return how well a delimiter suits a text: by the known columns of its header, and by all."""
    try:
        _, cells = next(_records(text, delimiter, 0), (1, ()))
    except CSVFileError:
        return (0, 0)
    return sum(known(cell.strip()) for cell in cells), len(cells)


def _records(text: str, delimiter: str, skipped: int) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Yield the records that are not empty, each with the line where it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1 + skipped
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            message = Message(
                "this is not a table of comma-separated values ({problem}). Check the quotation"
                " marks from here on.",
                problem=str(error),
            )
            raise CSVFileError(message, line) from error
        if any(cell.strip() for cell in row):
            yield line, tuple(row)


def _without_empty_end(cells: tuple[str, ...]) -> tuple[str, ...]:
    length = len(cells)
    while length and not cells[length - 1].strip():
        length -= 1
    return cells[:length]


def _fitted(cells: tuple[str, ...], length: int) -> tuple[str, ...]:
    """Return a record with as many cells as the header.

    Spreadsheets add empty cells at the end, and some leave them out.
    """
    kept = cells[:length] + _without_empty_end(cells[length:])
    return kept + ("",) * (length - len(kept))


def with_decimal_point(cell: str, delimiter: str) -> str:
    """Return a number with a decimal point instead of a comma; anything else as it is.

    Args:
        cell: a cell of a file.
        delimiter: of that file. Only one with commas has surely not been through a spreadsheet in
            a language whose thousands are separated by points.

    Raises:
        ValueError: it could be a fraction, or thousands. The message says what to write.
    """
    found = _DECIMAL.fullmatch(cell)
    if found is None:
        return cell
    sign, whole, mark, fraction = found.groups()
    is_ambiguous = (
        len(fraction) == _THOUSAND_DIGITS
        and 0 < len(whole) <= _THOUSAND_DIGITS
        and not whole.startswith("0")
    )
    if is_ambiguous and not (delimiter == "," and mark == "."):
        raise ValueError(
            Message(
                "it could be {whole}{fraction} or {whole}.{fraction}. Write {whole}{fraction}, or"
                " {whole}{mark}{fraction}0 for the fraction.",
                whole=whole,
                mark=mark,
                fraction=fraction,
            )
        )
    return f"{sign}{whole}.{fraction}"
