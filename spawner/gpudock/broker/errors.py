"""What a broker refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gpudock.model import Denial


class Denied(Exception):  # noqa: N818 - an answer, not a failure
    """A request was refused; :attr:`denial` says why, for the person who made it."""

    def __init__(self, denial: Denial) -> None:
        super().__init__(denial.message)
        self.denial = denial


class LeaseConflict(Exception):  # noqa: N818 - an answer, not a failure
    """A lease cannot be used for what was asked; no container may be started for it."""


class GPURefused(Exception):  # noqa: N818 - an answer, not a failure
    """The state of a GPU cannot be changed as asked; the message says why and what to do."""
