"""Matching: which GPU models a request may have, and which devices exclude each other."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gpudock.model import GPU, Request


def matches(model: str, pattern: str) -> bool:
    """Return whether a model's name matches a shell-style pattern, ignoring case."""
    return fnmatchcase(model.lower(), pattern.lower())


def suits(model: str, wanted: str | None, allowed: tuple[str, ...] | None) -> bool:
    """Return whether a model matches the pattern *wanted* and one of a quota's *allowed* patterns.

    ``None`` stands for any model in both.
    """
    return (wanted is None or matches(model, wanted)) and (
        allowed is None or any(matches(model, pattern) for pattern in allowed)
    )


def overlap(one: GPU, other: GPU) -> bool:
    """Return whether two devices are the same, or one is a slice of the other."""
    return one.uuid == other.uuid or one.parent_uuid == other.uuid or other.parent_uuid == one.uuid


def eligible(
    request: Request, gpus: Iterable[GPU], allowed: tuple[str, ...] | None
) -> tuple[GPU, ...]:
    """Return the devices whose model suits *request* and the quota's *allowed* patterns."""
    return tuple(gpu for gpu in gpus if suits(gpu.model, request.gpu_model, allowed))
