"""The Debian image that all of the lab's images are based on."""

import os
import subprocess
import tempfile
from collections.abc import Mapping
from pathlib import Path

from gpudock.deploy import output, packages
from gpudock.deploy.engine import Engine
from gpudock.deploy.tools import Tools

BASE_IMAGE = "debian:trixie-slim"
SUITE = "trixie"
PULL_SECONDS = 120
BOOTSTRAP_SECONDS = 900


def ensure_base_image(engine: Engine, tools: Tools, environ: Mapping[str, str]) -> None:
    """Make sure the engine has the base image: pull it, or build it from Debian packages.

    Raises:
        ProblemError: neither a registry nor a Debian mirror provides it.
    """
    if engine.has_image(BASE_IMAGE):
        return
    output.step(f"Pulling {BASE_IMAGE}")
    reason = _pull(tools)
    if not reason:
        return
    output.detail(f"That failed ({reason})")
    output.step(f"Building {BASE_IMAGE} from Debian's packages instead")
    _bootstrap(tools, environ)


def _pull(tools: Tools) -> str:
    """Pull the image and return why that failed, or an empty string."""
    try:
        with output.heartbeat(lambda: "waiting for the registry"):
            done = tools.run("pull", "--quiet", BASE_IMAGE, timeout=PULL_SECONDS)
    except subprocess.TimeoutExpired:
        return f"no answer from the registry within {PULL_SECONDS} s"
    if done.returncode == 0:
        return ""
    return done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no reason was given"


def _bootstrap(tools: Tools, environ: Mapping[str, str]) -> None:
    if os.geteuid() != 0:
        raise output.ProblemError(
            f"{BASE_IMAGE} could not be pulled, and only root can build it from Debian's packages."
            " Run this as root, or load that image into the engine manually."
        )
    mirror = packages.debian_mirror(environ)
    with tempfile.TemporaryDirectory(prefix="gpudock-base-") as scratch:
        folder = Path(scratch)
        archive = folder / "base.tar"
        done = _run_mmdebstrap(_fetch_mmdebstrap(folder, mirror), mirror, archive)
        if done.returncode != 0:
            raise output.ProblemError(
                f"{BASE_IMAGE} could not be built from {mirror}:"
                f" {done.stderr.strip()[-300:]} Check the network, or set GPUDOCK_DEBIAN_MIRROR."
            )
        imported = tools.run(
            "import",
            "--change",
            'CMD ["bash"]',
            "--change",
            "LABEL gpudock.base=mmdebstrap",
            archive,
            BASE_IMAGE,
        )
        if imported.returncode != 0:
            raise output.ProblemError(f"The engine refused the image: {imported.stderr.strip()}")
        output.detail(f"Built {BASE_IMAGE}, {output.mebibytes(archive.stat().st_size)}")


def _fetch_mmdebstrap(folder: Path, mirror: str) -> Path:
    """Unpack mmdebstrap and return the folder that takes the place of /usr."""
    apt = packages.PrivateApt(folder / "apt", mirror, packages.Host.read().codename)
    apt.update()
    unpacked = folder / "mmdebstrap"
    packages.unpack(apt.download_missing(["mmdebstrap"]), unpacked)
    return unpacked / "usr"


def _run_mmdebstrap(usr: Path, mirror: str, archive: Path) -> subprocess.CompletedProcess[str]:
    # Without documentation and caches, like Debian's own slim image.
    excluded = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/info/*", "/usr/share/locale/*")
    command: list[str | Path] = [usr / "bin/mmdebstrap", "--mode=root", "--variant=minbase"]
    command += ["--include=ca-certificates"]
    command += [f"--dpkgopt=path-exclude={pattern}" for pattern in excluded]
    command += ["--dpkgopt=path-include=/usr/share/doc/*/copyright"]
    command += [SUITE, archive, f"deb {mirror} {SUITE} main", f"deb {mirror} {SUITE}-updates main"]
    security = packages.security_mirror()
    if security is not None:
        command.append(f"deb {security} {SUITE}-security main")
    with output.heartbeat(lambda: "unpacking Debian"):
        return subprocess.run(
            command,
            env=os.environ
            | {
                "PATH": f"{usr / 'bin'}:{os.environ['PATH']}",
                "PERL5LIB": str(usr / "share/perl5"),
                "TMPDIR": str(archive.parent),
            },
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=BOOTSTRAP_SECONDS,
            check=False,
        )
