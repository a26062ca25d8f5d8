"""What can be wrong with quotas that somebody sent.

.. code-block:: text

    QuotaError
    ├── QuotaDocumentError   one level's document
    └── QuotaTableError      a table of documents
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.language import Message

if TYPE_CHECKING:
    from collections.abc import Iterable


class QuotaError(ValueError):
    """Quotas are not acceptable. The message is for the person who sent them."""


class QuotaDocumentError(QuotaError):
    """A quota document is not acceptable."""


def at_line(line: int, message: str) -> Message:
    """Return a message about a line of a file, as a sentence that names the line."""
    return Message("Line {line}: {message}", line=line, message=message)


@dataclass(frozen=True, slots=True)
class TableProblem:
    """What is wrong with one row, or with the whole table.

    Attributes:
        line: the row's line in the file; 1 is the header, ``None`` the table as a whole.
        message: a sentence for the person who sent it; it names the column and the value, too.
        column: the name of the column, if it is about one cell.
    """

    line: int | None
    message: str
    column: str | None = None

    @property
    def sentence(self) -> str:
        """The message with the line."""
        return self.message if self.line is None else at_line(self.line, self.message)

    def __str__(self) -> str:
        return str(self.sentence)


class QuotaTableError(QuotaError):
    """A table is not acceptable.

    Attributes:
        problems: what is wrong, by line.
    """

    def __init__(self, problems: Iterable[TableProblem]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(map(str, self.problems)))
