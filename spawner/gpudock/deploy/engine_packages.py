"""A Docker Engine and its tools from Debian packages, unpacked into a folder of their own."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gpudock.deploy import packages, say

PREFIXES = Path("/var/lib/gpudock/engine")

_COMMON = ("docker.io", "docker-cli", "containerd", "docker-compose", "docker-buildx")

SUITES: Mapping[str, tuple[str, ...]] = {
    "forky": (*_COMMON, "tini-static"),
    "trixie": (*_COMMON, "tini"),
}
"""Suites that carry an engine with CDI, the preferred one first, and what to take from each."""

HOST_PACKAGES = ("runc", "iptables", "iproute2", "kmod")
"""These come from the machine's own suite: the newer suites' builds need a newer C library."""

MINIMUM_LIBC = (2, 34)
DISK_BYTES_NEEDED = 700 * 2**20


@dataclass(frozen=True)
class Prefix:
    """An unpacked engine.

    Attributes:
        folder: where it lies; its name is the engine's version.
    """

    folder: Path

    @property
    def programs(self) -> Path:
        """The folder with links to all programs, to be put first in PATH."""
        return self.folder / "bin"

    @property
    def client_settings(self) -> Path:
        """A DOCKER_CONFIG folder whose plugins are this prefix's Compose and buildx."""
        return self.folder / "client"

    @property
    def init(self) -> Path:
        """The static init program that containers started with ``--init`` get."""
        return self.programs / "tini-static"

    def environ(self, environ: Mapping[str, str]) -> dict[str, str]:
        """Return the environment in which the engine's programs find each other."""
        libraries = ":".join(str(path) for path in sorted(self.folder.glob("host/**/*-linux-gnu*")))
        modules = next(iter(sorted(self.folder.glob("host/usr/lib/*/xtables"))), None)
        own = {
            "PATH": f"{self.programs}:{environ.get('PATH', '/usr/sbin:/usr/bin:/sbin:/bin')}",
            "LD_LIBRARY_PATH": libraries,
        }
        if modules is not None:
            own["XTABLES_LIBDIR"] = str(modules)
        return {**environ, **own}


def newest() -> Prefix | None:
    """Return the newest engine that is already unpacked on this machine."""
    found = sorted(PREFIXES.glob("*/complete"), key=lambda marker: marker.stat().st_mtime)
    return Prefix(found[-1].parent) if found else None


def obtain(environ: Mapping[str, str]) -> Prefix:
    """Return an unpacked engine, fetching one from Debian if there is none yet.

    Raises:
        ProblemError: this machine cannot run it, or the packages cannot be had.
    """
    present = newest()
    if present is not None:
        return present
    _check_machine()
    mirror = packages.debian_mirror(environ)
    PREFIXES.mkdir(parents=True, exist_ok=True)
    reasons = []
    with tempfile.TemporaryDirectory(dir=PREFIXES, prefix=".fetch-") as scratch:
        for suite, names in SUITES.items():
            folder = Path(scratch) / suite
            say.step(f"Fetching Docker Engine from Debian {suite}, without installing anything")
            try:
                unpacked = _fetch(folder, mirror, suite, names)
                version = _version(unpacked, environ)
            except say.ProblemError as problem:
                reasons.append(str(problem))
                continue
            final = PREFIXES / f"{version}-{suite}"
            shutil.rmtree(final, ignore_errors=True)
            unpacked.folder.rename(final)
            _link_programs(final)
            (final / "complete").touch()
            say.detail(f"Docker Engine {version} is in {final}")
            return Prefix(final)
    raise say.ProblemError(" ".join(dict.fromkeys(reasons)))


def _check_machine() -> None:
    host = packages.Host.read()
    if host.distribution != "debian" or not shutil.which("dpkg"):
        raise say.ProblemError(
            "No Docker Engine answers, and this is not Debian, for which gpudock can fetch one."
            " Install Docker Engine 25 or newer with its Compose and buildx plugins and try again."
        )
    if os.geteuid() != 0:
        raise say.ProblemError(
            "No Docker Engine answers, and only root may start one."
            " Run «make up» as root, or install and start Docker Engine 25 or newer."
        )
    # Where confstr names no C library, it is not glibc.
    library = (os.confstr("CS_GNU_LIBC_VERSION") or "none 0").split()[1]
    if tuple(int(part) for part in library.split(".")[:2]) < MINIMUM_LIBC:
        raise say.ProblemError(
            f"Debian's Docker Engine needs glibc 2.34 or newer and this machine has {library}."
            " Use Debian 12 or newer, or install Docker Engine 25 or newer yourself."
        )
    free = shutil.disk_usage(PREFIXES.parent if PREFIXES.parent.exists() else "/var/lib").free
    if free < DISK_BYTES_NEEDED:
        raise say.ProblemError(
            f"Unpacking Docker Engine needs {say.mebibytes(DISK_BYTES_NEEDED)} in {PREFIXES}, and"
            f" {say.mebibytes(free)} are free. Make room there and try again."
        )


def _fetch(folder: Path, mirror: str, suite: str, names: tuple[str, ...]) -> Prefix:
    host_suite = packages.Host.read().codename
    prefix = Prefix(folder / "prefix")
    for part, source, wanted in (("host", host_suite, HOST_PACKAGES), ("engine", suite, names)):
        apt = packages.PrivateApt(folder / f"apt-{part}", mirror, source)
        apt.update()
        archives = apt.download_missing(wanted) if part == "host" else apt.download(wanted)
        packages.unpack(archives, prefix.folder / part)
    _link_programs(prefix.folder)
    return prefix


def _link_programs(folder: Path) -> None:
    """Fill ``bin`` and ``client/cli-plugins`` with absolute links to what was unpacked."""
    links = Prefix(folder).programs
    shutil.rmtree(links, ignore_errors=True)
    links.mkdir()
    for part in ("host", "engine"):
        for pattern in ("usr/sbin/*", "sbin/*", "usr/bin/*", "bin/*"):
            for program in sorted((folder / part).glob(pattern)):
                link = links / program.name
                if link.is_symlink():
                    link.unlink()
                # A link inside the package may be absolute and so point outside the prefix.
                link.symlink_to(_inside(program, folder / part))
    _link_iptables(folder, links)
    plugins = Prefix(folder).client_settings / "cli-plugins"
    shutil.rmtree(plugins, ignore_errors=True)
    plugins.mkdir(parents=True)
    for plugin in (folder / "engine/usr/libexec/docker/cli-plugins").iterdir():
        (plugins / plugin.name).symlink_to(plugin)


def _inside(program: Path, root: Path) -> Path:
    """Return what a program is a link to, if that is an absolute link, below ``root``."""
    if program.is_symlink() and program.readlink().is_absolute():
        return root / program.readlink().relative_to("/")
    return program


def _link_iptables(folder: Path, links: Path) -> None:
    """Choose the iptables flavour that this kernel has, as Debian's alternatives would."""
    if not (links / "iptables-nft").exists():
        return  # the machine has an iptables of its own
    environ = Prefix(folder).environ(os.environ)
    works = subprocess.run(
        [links / "iptables-nft", "--table", "nat", "--list", "--numeric"],
        env=environ,
        capture_output=True,
        check=False,
    )
    flavour = "nft" if works.returncode == 0 else "legacy"
    for family in ("iptables", "ip6tables"):
        for suffix in ("", "-save", "-restore"):
            link = links / f"{family}{suffix}"
            link.symlink_to((links / f"{family}-{flavour}{suffix}").readlink())


def _version(prefix: Prefix, environ: Mapping[str, str]) -> str:
    """Run every program once and return the engine's version.

    Raises:
        ProblemError: one of them does not run on this machine.
    """
    version = ""
    for program in ("containerd", "runc", "docker", "tini-static", "dockerd"):
        done = subprocess.run(
            [program, "--version"],
            env=prefix.environ(environ),
            executable=shutil.which(program, path=prefix.environ(environ)["PATH"]),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise say.ProblemError(
                f"Debian's {program} does not run on this machine: {done.stderr.strip()[-200:]}"
                " Install Docker Engine 25 or newer yourself and try again."
            )
        version = done.stdout
    # «Docker version 28.5.2+dfsg4, build …»
    return version.split()[2].rstrip(",").partition("+")[0]
