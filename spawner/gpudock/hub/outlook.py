"""What a start would come to now, in words for the spawn form."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gpudock.hub.progress import expected_start_in_words
from gpudock.language import Message, sentences
from gpudock.model import Denial, QueuePosition
from gpudock.policy.scheduling.reasons import PREVIOUS_CONTAINER

if TYPE_CHECKING:
    from gpudock.hub.options import SpawnOptions
    from gpudock.policy.scheduling.decide import Grant


class OutlookKind(enum.StrEnum):
    """Whether a start would be granted, would wait, or would be refused."""

    STARTS = "starts"
    WAITS = "waits"
    REFUSED = "refused"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outlook:
    """What a start would come to now.

    Attributes:
        kind: whether it would start.
        text: one or two sentences for the person at the form.
    """

    kind: OutlookKind
    text: str

    @classmethod
    def of(
        cls, answer: Grant | QueuePosition | Denial, options: SpawnOptions, now: float
    ) -> Outlook:
        """Return the outlook of a start with *options*.

        Args:
            answer: the broker's forecast for these options.
            options: what is chosen.
            now: Unix time.
        """
        match answer:
            case Denial():
                return cls(OutlookKind.REFUSED, answer.message)
            case QueuePosition() if answer.reason == PREVIOUS_CONTAINER:
                # It is ahead of nobody's request, so a position would mislead.
                then = Message("A new start waits for that, usually for some seconds.")
                return cls(OutlookKind.WAITS, sentences(answer.reason, then))
            case QueuePosition():
                place = Message(
                    "If you start now, you are number {position} in the queue.",
                    position=answer.position,
                )
                expected = expected_start_in_words(answer, now)
                return cls(OutlookKind.WAITS, sentences(place, answer.reason, expected))
        return cls(OutlookKind.STARTS, _start_in_words(answer, options))

    @classmethod
    def of_unknown_gpus(cls, options: SpawnOptions) -> Outlook:
        """Return the outlook while the lab does not know its GPUs."""
        if options.gpus == 0:
            text = Message("Your server starts without a GPU as soon as the lab can start servers.")
        else:
            text = Message("Your server starts when the GPUs are known and it is your turn.")
        return cls(OutlookKind.UNKNOWN, text)


def _start_in_words(grant: Grant, options: SpawnOptions) -> str:
    if options.gpus == 0:
        return Message("Your server starts at once, without a GPU.")
    if not grant.gpu_uuids:
        return Message(
            "No matching GPU is free, so your server would start at once, without a GPU."
        )
    if options.gpus == 1:
        return Message("Your server starts at once.")
    return Message("Your server starts at once, with {gpus} GPUs.", gpus=options.gpus)
