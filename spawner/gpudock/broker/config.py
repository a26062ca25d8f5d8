"""What a broker is configured with."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from gpudock.model import Quota
from gpudock.policy.cleanliness import LEFTOVER_MEMORY_MIB
from gpudock.policy.gpu_health import Rules
from gpudock.policy.scheduling.fair_share import FairShare

if TYPE_CHECKING:
    from collections.abc import Callable

    from gpudock.policy.scheduling.ordering import Ordering


@dataclass(frozen=True, slots=True)
class BrokerConfig:
    """What a broker is configured with.

    Attributes:
        default_quota: the limits where no level sets any.
        cool_down_seconds: how long processes and memory of an ended session may linger on a device
            before it is quarantined.
        reading_max_age: age in seconds from which a reading does not allow a grant.
        leftover_memory_mib: how much memory of a device that nobody has may be in use, MiB;
            ``None``: any amount.
        claim_seconds: how long a granted lease may be without a container before it ends.
        ordering: who is considered first; fair share by default.
        new_id: makes the id of a lease: lower-case letters and digits, never the same twice;
            random by default.
    """

    default_quota: Quota = field(default_factory=Quota)
    cool_down_seconds: float = 30.0
    reading_max_age: float = 15.0
    leftover_memory_mib: int | None = LEFTOVER_MEMORY_MIB
    claim_seconds: float = 120.0
    ordering: Ordering = field(default_factory=FairShare)
    new_id: Callable[[], str] = lambda: secrets.token_hex(8)

    @property
    def rules(self) -> Rules:
        """When a device may be granted."""
        return Rules(self.cool_down_seconds, self.reading_max_age, self.leftover_memory_mib)
