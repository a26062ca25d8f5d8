"""Whether the PIDs that NVML reports mean anything to this process."""

from __future__ import annotations

from pathlib import Path

# Linux gives the first PID namespace of a machine this inode (PROC_PID_INIT_INO).
HOST_PID_NAMESPACE = f"pid:[{0xEFFFFFFC}]"


def in_host_pid_namespace(proc: Path = Path("/proc")) -> bool:
    """Return whether this process runs in the host's PID namespace.

    NVML reports the host's PIDs, and hides the processes of other namespaces.
    """
    try:
        return str((proc / "self/ns/pid").readlink()) == HOST_PID_NAMESPACE
    except OSError:
        return False
