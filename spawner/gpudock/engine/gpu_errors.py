"""Which of the engine's errors are about GPUs, and which GPUs they are about.

The engine has no codes for its errors, only words, so they are recognized by their words. An error
that is not in the table (a missing image, a full disk, a name that is taken, a mount of the
administrator's that fails) never counts against a GPU.

An error of one of the *devices* says that the engine could not give these devices. A *general* one
says that it could give no device at all: its driver, runtime or specification is missing, or older
than the driver that is loaded.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from gpudock.model import DeliveryFailure

if TYPE_CHECKING:
    from collections.abc import Iterable


class _Known(NamedTuple):
    """Words of the engine.

    Attributes:
        words: a pattern.
        general: whether no device can be given then.
        unlisted: whether they say that names of devices are not in the CDI specification.
    """

    words: re.Pattern[str]
    general: bool = False
    unlisted: bool = False


def _known(words: str, *, general: bool = False, unlisted: bool = False) -> _Known:
    return _Known(re.compile(words, re.IGNORECASE | re.DOTALL), general, unlisted)


# The driver's libraries and sockets, which a CDI specification mounts by their versioned names.
_DRIVER_FILE = r"/(?:lib[\w+-]*(?:nvidia|cuda|nvcuvid|nvoptix)[\w+-]*\.so|nvidia-persistenced/)"

# The first that matches counts. Each with where the words come from, or were seen.
_TABLE = (
    # moby daemon/errors.go (incompatibleDeviceRequest); nvidia-docker#1352, and for CDI
    # nvidia-container-toolkit#434
    _known(r'could not select device driver "[^"]*" with capabilities', general=True),
    # moby daemon/runtime_unix.go; infiniflow/ragflow#9573 has the same cause
    _known(r"unknown or invalid runtime name: nvidia", general=True),
    # runc and containerd, when the toolkit was removed: nvidia-docker#686, nvidia-docker#1190
    _known(
        r'(?:fork/exec|exec:) "?[^\s"]*nvidia-[\w.-]+"?:'
        r" (?:no such file|executable file not found)",
        general=True,
    ),
    # moby daemon/cdi.go (createCDICache)
    _known(
        r"no CDI specification directories|CDI registry initialization failure",
        general=True,
    ),
    # libnvidia-container src/cli/configure.c, before it looks for the devices that were asked for;
    # nvidia-container-toolkit#394 (version mismatch), #1269 (driver not loaded),
    # nvidia-docker#1348 (unknown error)
    _known(
        r"nvidia-container-cli: (?:permission|initialization|container|detection|ldcache) error",
        general=True,
    ),
    # libnvidia-container, without the right to change cgroups; nvidia-container-toolkit#678
    _known(r"nvidia-container-cli: mount error: failed to add device rules", general=True),
    # runc and crun, with a specification for a former driver; nvidia-container-toolkit#450,
    # HaveAGitGat/Tdarr#1423
    _known(
        r"(?:failed to fulfil mount request: open|error mounting|error stat'ing file|cannot stat)"
        rf' ["`]?/[^\s"`:]*{_DRIVER_FILE}.*no such file',
        general=True,
    ),
    # container-device-interface pkg/cdi/container-edits_unix.go, for nodes that all GPUs share
    _known(
        r'failed to stat CDI host device "/dev/nvidia(?:ctl|-modeset|-uvm|-uvm-tools)"',
        general=True,
    ),
    # container-device-interface pkg/cdi/cache.go; nvidia-container-toolkit#146, #434, #1239
    _known(r"unresolvable CDI devices", unlisted=True),
    # The same, for anything else that is wrong with a device; nvidia-container-toolkit#885
    _known(r"failed to inject (?:CDI )?devices|failed to stat CDI host device"),
    # libnvidia-container src/cli/common.c (select_devices); nvidia-docker#1283
    _known(r"nvidia-container-cli: device error"),
    # libnvidia-container, for the files of one GPU; nvidia-docker#1316
    _known(r"nvidia-container-cli: mount error:.*(?:/dev/nvidia\d|/proc/driver/nvidia/gpus/)"),
)
_NODE = re.compile(r"/dev/nvidia(\d+)\b", re.ASCII)


def recognize(words: str, gpu_uuids: Iterable[str]) -> DeliveryFailure | None:
    """Return what an engine's error says of the devices that it was to give to a container.

    Args:
        words: the error of ``create`` or ``start``, in the engine's words.
        gpu_uuids: the devices of the container.

    Returns:
        ``None`` when the error is not about GPUs, or the container was to have none.
    """
    uuids = tuple(gpu_uuids)
    known = next((item for item in _TABLE if uuids and item.words.search(words)), None)
    if known is None:
        return None
    text = words.lower()
    named = () if known.general else tuple(uuid for uuid in uuids if uuid.lower() in text)
    return DeliveryFailure(
        words=words,
        general=known.general,
        unlisted=known.unlisted,
        named=named,
        minors=() if known.general else tuple(int(n) for n in _NODE.findall(words)),
    )
