"""Which labels gpudock itself can have written, and which requests can be stored."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from gpudock.model import MAX_GPUS, is_gpu_uuid

if TYPE_CHECKING:
    from gpudock.model import ObservedContainer, Request

MAX_SLOTS = 16
"""How many sessions may share a device."""


def has_valid_labels(container: ObservedContainer) -> bool:
    """Return whether a container's labels are as this program writes them."""
    lease_id = container.lease_id
    whole = (container.slot, container.slots) == (0, 1)
    shared = 1 < container.slots <= MAX_SLOTS and 0 <= container.slot < container.slots
    return (
        0 < len(lease_id) <= 64
        and lease_id.isascii()
        and lease_id.isalnum()
        and lease_id == lease_id.lower()
        and bool(container.user)
        and all(is_gpu_uuid(uuid) for uuid in container.gpu_uuids)
        and (whole or (shared and len(set(container.gpu_uuids)) == 1))
    )


def is_storable(request: Request) -> bool:
    """Return whether all of a request can be stored: valid text, and numbers of sane size."""
    texts = (request.id, request.user, request.server, request.image, request.gpu_model or "")
    try:
        for text in (*texts, *request.groups):
            text.encode()
        json.dumps(dict(request.user_options), allow_nan=False).encode()
    except (TypeError, ValueError):  # UnicodeEncodeError is a ValueError
        return False
    return abs(request.gpus) <= MAX_GPUS and not any("\0" in text for text in texts)
