"""The table of compatible versions: drivers, CUDA, GPUs, cuDNN. Each rule has its source.

The oldest driver for each CUDA version is that of NVIDIA's "CUDA Compatibility" documentation
(https://docs.nvidia.com/deploy/cuda-compatibility/), the driver that a CUDA version came with that
of the "CUDA Toolkit Release Notes" (https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/).
"""

from __future__ import annotations

import re
from typing import NamedTuple

Version = tuple[int, ...]

_MINOR = "https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html"
FORWARD = "https://docs.nvidia.com/deploy/cuda-compatibility/forward-compatibility.html"
_TOOLKIT = "https://docs.nvidia.com/cuda/cuda-toolkit-release-notes/"
BINARIES = "https://docs.nvidia.com/cuda/cuda-c-programming-guide/#binary-compatibility"
CUDNN = (
    "https://docs.nvidia.com/deeplearning/cudnn/backend/latest/developer/forward-compatibility.html"
)


class DriverRule(NamedTuple):
    """Which driver (Linux) a CUDA version needs."""

    cuda: Version
    driver: Version
    source: str


MIN_DRIVERS = (
    DriverRule((13,), (580,), _MINOR),
    DriverRule((12,), (525, 60, 13), _MINOR),
    DriverRule((11,), (450, 80, 2), _MINOR),
    DriverRule((10, 2), (440, 33), _TOOLKIT),
    DriverRule((10, 1), (418, 39), _TOOLKIT),
    DriverRule((10, 0), (410, 48), _TOOLKIT),
)
"""The oldest driver with which a CUDA version works at all: from CUDA 11 one for each major."""

MATCHING_DRIVERS = (
    DriverRule((13, 0), (580, 65, 6), _TOOLKIT),
    DriverRule((12, 9), (575, 51, 3), _TOOLKIT),
    DriverRule((12, 8), (570, 26), _TOOLKIT),
    DriverRule((12, 6), (560, 28, 3), _TOOLKIT),
    DriverRule((12, 5), (555, 42, 2), _TOOLKIT),
    DriverRule((12, 4), (550, 54, 14), _TOOLKIT),
    DriverRule((12, 3), (545, 23, 6), _TOOLKIT),
    DriverRule((12, 2), (535, 54, 3), _TOOLKIT),
    DriverRule((12, 1), (530, 30, 2), _TOOLKIT),
    DriverRule((12, 0), (525, 60, 13), _TOOLKIT),
    DriverRule((11, 8), (520, 61, 5), _TOOLKIT),
    DriverRule((11, 7), (515, 43, 4), _TOOLKIT),
    DriverRule((11, 6), (510, 39, 1), _TOOLKIT),
    DriverRule((11, 5), (495, 29, 5), _TOOLKIT),
    DriverRule((11, 4), (470, 42, 1), _TOOLKIT),
    DriverRule((11, 3), (465, 19, 1), _TOOLKIT),
    DriverRule((11, 2), (460, 27, 3), _TOOLKIT),
    DriverRule((11, 1), (455, 23), _TOOLKIT),
)
"""The driver that a CUDA version came with: with an older one of its major it works, but code that
the driver has to translate (PTX) may not."""

_ARCH = re.compile(r"(sm|compute)_(\d+)(\d)([af]?)")


def min_driver(cuda: str) -> DriverRule | None:
    """Return the oldest driver for a CUDA version, or None when the table has none."""
    return _rule(MIN_DRIVERS, cuda)


def matching_driver(cuda: str) -> DriverRule | None:
    """Return the driver that came with a CUDA version, or None when the table has none."""
    return _rule(MATCHING_DRIVERS, cuda)


def _rule(rules: tuple[DriverRule, ...], cuda: str) -> DriverRule | None:
    version = parse(cuda)
    return next((rule for rule in rules if version[: len(rule.cuda)] == rule.cuda), None)


def code_for(capability: str, archs: tuple[str, ...]) -> str | None:
    """Return what a build has for a GPU: ``binary``, ``ptx`` to be translated, or None.

    Args:
        capability: of the GPU, for example ``8.6``.
        archs: what the build has, for example ``("sm_80", "compute_90")``.
    """
    major, minor = _major_minor(capability)
    found = None
    for arch in archs:
        matched = _ARCH.fullmatch(arch)
        if matched is None:
            continue
        kind, of_major, of_minor = matched[1], int(matched[2]), int(matched[3])
        special = matched[4]
        same_major = of_major == major
        if kind == "sm":
            fits = (
                (of_major, of_minor) == (major, minor)
                if special == "a"
                else same_major and of_minor <= minor
            )
            if fits:
                return "binary"
        elif not special and (of_major, of_minor) <= (major, minor):
            found = "ptx"
    return found


def age_for(capability: str, archs: tuple[str, ...]) -> str | None:
    """Return whether a GPU is ``new`` or ``old`` for a build; None: neither, or unknown.

    Args:
        capability: of the GPU, for example ``12.0``.
        archs: what the build has, as for :func:`code_for`.
    """
    matches = [matched for arch in archs if (matched := _ARCH.fullmatch(arch))]
    built = [(int(matched[2]), int(matched[3])) for matched in matches]
    if not built:
        return None
    if _major_minor(capability) > max(built):
        return "new"
    return "old" if _major_minor(capability) < min(built) else None


def cudnn_compatible(built: str, loaded: str) -> bool:
    """Return whether a program built with one cuDNN can use another: same major, not older."""
    of_built, of_loaded = _major_minor(built), _major_minor(loaded)
    return of_built[0] == of_loaded[0] and of_loaded >= of_built


def _major_minor(text: str) -> tuple[int, int]:
    major, minor = (*parse(text), 0)[:2]
    return major, minor


def parse(text: str) -> Version:
    """Return the numbers of a dotted version, up to the first other part; (0,) for none."""
    numbers = []
    for part in text.split("."):
        if not (part.isascii() and part.isdigit()):
            break
        numbers.append(int(part))
    return tuple(numbers) or (0,)


def dotted(version: Version) -> str:
    """Return a driver's version as NVIDIA writes it: 525.60.13, 450.80.02."""
    return ".".join(f"{part:02d}" for part in version)
