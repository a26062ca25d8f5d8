"""NVIDIA's own ``nvidia-smi``, from Debian's non-free packages, as an independent reader of NVML.

The package is fetched with an apt state of its own, so that the machine's sources, lists and
packages stay as they were, and unpacked into a cache directory without being installed.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

from simulator.errors import SimulatorError
from simulator.library import cache_directory

PACKAGE = "nvidia-smi"
SUITE = "trixie"  # 550.163.01, the driver that the simulated GPUs say they have
TIMEOUT_S = 180
# The machine's own settings hold, for it may need a proxy, but for what they do after an update.
APT_SETTINGS = """
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
APT::Update::Error-Mode "any";
APT::Sandbox::User "root";
Acquire::Languages "none";
"""
KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")


def fetch_nvidia_smi(cache: Path | None = None) -> Path:
    """The path of ``nvidia-smi``, fetched on first use. SimulatorError if unavailable."""
    directory = (cache or cache_directory()) / f"nvidia-smi-{SUITE}"
    found = _find(directory)
    if found is not None:
        return found
    for tool in ("apt-get", "dpkg"):
        if shutil.which(tool) is None:
            raise SimulatorError(f"nvidia-smi is a Debian package, and {tool} is missing here.")
    if not KEYRING.exists():
        raise SimulatorError(f"Debian's packages cannot be verified: {KEYRING} is missing.")
    unfinished = directory.with_name(f".{directory.name}-{os.getpid()}")
    try:
        _download_and_unpack(unfinished)
        if _find(unfinished / "root") is None:
            raise SimulatorError(f"Debian's package {PACKAGE} holds no nvidia-smi.")
        if not directory.exists():
            (unfinished / "root").rename(directory)
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)
    tool_path = _find(directory)
    assert tool_path is not None
    return tool_path


def _find(directory: Path) -> Path | None:
    programs = (path for path in directory.rglob("nvidia-smi") if path.is_file())
    return next((path for path in programs if os.access(path, os.X_OK)), None)


def _download_and_unpack(directory: Path) -> None:
    for name in ("lists/partial", "archives/partial", "download", "root"):
        (directory / name).mkdir(parents=True)
    sources = directory / "sources.list"
    sources.write_text(
        f"deb [signed-by={KEYRING}] {_mirror()} {SUITE} non-free\n", encoding="utf-8"
    )
    settings = directory / "apt.conf"
    settings.write_text(APT_SETTINGS, encoding="utf-8")
    options = {
        "Dir::State": directory,
        "Dir::State::Lists": directory / "lists",
        "Dir::State::Status": "/dev/null",
        "Dir::Cache": directory,
        "Dir::Etc::SourceList": sources,
        "Dir::Etc::SourceParts": "/dev/null",
        "Dir::Etc::Preferences": "/dev/null",
        "Dir::Etc::PreferencesParts": "/dev/null",
    }
    overrides = [f"-o{name}={value}" for name, value in options.items()]
    apt = ["apt-get", "-qq", f"-c={settings}", *overrides]
    _run([*apt, "update"], directory)
    _run([*apt, "download", PACKAGE], directory / "download")
    for package in (directory / "download").glob("*.deb"):
        _run(["dpkg", "-x", str(package), str(directory / "root")], directory)


def _mirror() -> str:
    """The Debian mirror that this machine uses itself."""
    files = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*"))]
    for path in files:
        if path.suffix not in (".list", ".sources") or not path.is_file():
            continue
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
            match = re.match(r"\s*(?:deb(?:\s+\[[^]]*\])?|URIs:)\s+(\S+/debian/?)(?:\s|$)", line)
            if match:
                return match[1]
    raise SimulatorError(
        "nvidia-smi cannot be fetched: this machine's apt sources name no Debian mirror."
    )


def _run(command: list[str], directory: Path) -> None:
    try:
        done = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, check=False, timeout=TIMEOUT_S
        )
    except subprocess.TimeoutExpired:
        raise SimulatorError(
            f"{command[0]} gave no answer within {TIMEOUT_S} s; try again later."
        ) from None
    if done.returncode != 0:
        raise SimulatorError(
            f"nvidia-smi cannot be fetched: {command[0]} says {done.stderr.strip()}"
        )
