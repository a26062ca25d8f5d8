"""What this server knows about its lease when a gpudock hub started it."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclasses.dataclass(frozen=True, slots=True)
class LeaseContext:
    """Where this server's GPUs come from. It holds nothing secret."""

    managed: bool
    """Whether a gpudock hub started this server."""
    lease: str | None
    """The lease's identity; None when this server was started without a GPU."""


def lease_context(environ: Mapping[str, str]) -> LeaseContext:
    """Read the context from the variables that gpudock sets in its containers."""
    lease = environ.get("GPUDOCK_LEASE", "").strip() or None
    managed = lease is not None or bool(environ.get("GPUDOCK_API_URL", "").strip())
    return LeaseContext(managed, lease)
