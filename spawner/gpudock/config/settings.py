"""Every GPUDOCK_* setting: read and validated in one place, before anything is done with it.

It needs the standard library alone, because ``make up`` reads the settings on a bare machine.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gpudock.config import parsers
from gpudock.config.parsers import Image, Parser, Workspaces
from gpudock.model import Quota

PREFIX = "GPUDOCK_"
REFERENCE = "docs/reference/settings.md"
HOST_RESERVE = 0.1
"""The share of the host's memory that ``auto`` leaves to the hub and to the host itself."""


class SettingsError(Exception):
    """Settings that cannot be used.

    Attributes:
        problems: one sentence for each bad setting.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Setting:
    """One setting, as people write it.

    Attributes:
        name: the name of its variable.
        default: what holds where it is not set; an empty string: nothing.
        help: what it does, for the documentation.
        parse: turns what was written into a value, or raises ValueError with what to write.
        secret: whether what was written may hold a password, and so is never shown.
    """

    name: str
    default: str
    help: str
    parse: Parser = field(repr=False)
    secret: bool = False

    @property
    def attribute(self) -> str:
        """The name of the value in ``Settings``."""
        return self.name.removeprefix(PREFIX).lower()


SETTINGS = (
    Setting(
        "GPUDOCK_PORT",
        "8000",
        "The port on which people reach the lab.",
        parsers.integer(1, 65535),
    ),
    Setting(
        "GPUDOCK_BASE_URL",
        "/",
        "The path below which all of the lab is, such as `/jupyter/`: for a lab that is a part of"
        " another web server.",
        parsers.base_path,
    ),
    Setting(
        "GPUDOCK_ADMIN",
        "admin",
        "The user name of the first administrator.",
        parsers.user_name,
    ),
    Setting(
        "GPUDOCK_ADMIN_PASSWORD",
        "",
        f"Their password, at least {parsers.MINIMUM_PASSWORD_LENGTH} characters. Not set: a"
        " fresh lab makes a one-time password, and `make password` shows it.",
        parsers.password,
        secret=True,
    ),
    Setting(
        "GPUDOCK_AUTHENTICATOR",
        "native",
        "Who may sign in, and how: `native` (accounts in the lab itself), or the name of any other"
        " JupyterHub authenticator that is installed in the hub's image.",
        parsers.authenticator,
    ),
    Setting(
        "GPUDOCK_ALLOW_ANYONE",
        "no",
        "`yes` lets the authenticator `dummy` through, with which anybody signs in as anybody. Only"
        " for trials on a machine that nobody else reaches.",
        parsers.switch,
    ),
    Setting(
        "GPUDOCK_IMAGES",
        "PyTorch 2.6=gpudock/pytorch-cuda:v2.6",
        "The images that users may choose, the first one by default: `Label=image` pairs, separated"
        " by commas.",
        parsers.images,
    ),
    Setting(
        "GPUDOCK_WORKSPACES",
        "gpudock-workspace-{user}",
        "Where workspaces are kept: the name of a Docker volume for each user, or a directory of"
        " the host such as `/data/workspaces/{user}`. `{user}` becomes a safe form of the user's"
        " name.",
        parsers.workspaces,
    ),
    Setting(
        "GPUDOCK_MAX_GPUS_DEFAULT",
        "1",
        "How many GPUs a user may have at once, unless an administrator sets another limit.",
        parsers.integer(0, 1024),
    ),
    Setting(
        "GPUDOCK_QUEUE_TIMEOUT_HOURS",
        "24",
        "After how many hours a request that waits for a GPU is given up; `none`: never.",
        parsers.or_word({"none": None}, parsers.number(0.01, 8760)),
    ),
    Setting(
        "GPUDOCK_MEMORY_LIMIT",
        "auto",
        "Memory of each container, such as `32G`. `auto`: an equal share of nine tenths of the"
        " host's memory for each GPU that the host has (a half of it, where there is one GPU or"
        " none); `none`: no limit.",
        parsers.or_word({"auto": "auto", "none": None}, parsers.memory),
    ),
    Setting(
        "GPUDOCK_CPU_LIMIT",
        "none",
        "Processors of each container, such as `4` or `0.5`; `none`: no limit, and the kernel"
        " shares them out fairly when all are busy.",
        parsers.or_word({"none": None}, parsers.number(0.1, 4096)),
    ),
    Setting(
        "GPUDOCK_PIDS_LIMIT",
        "4096",
        "Processes and threads of each container.",
        parsers.integer(256, 4194304),
    ),
    Setting(
        "GPUDOCK_SHM_SIZE",
        "8G",
        "Size of `/dev/shm` in each container, which PyTorch's DataLoader workers need. What is in"
        " it counts as memory, so it is never more than half of the memory limit.",
        parsers.mebibytes,
    ),
    Setting(
        "GPUDOCK_LEFTOVER_MEMORY",
        "1G",
        "How much memory of a GPU that nobody has may be in use before the GPU counts as used by"
        " something foreign and is not given out; `none`: any amount, for instance where a desktop"
        " of Windows takes its share.",
        parsers.or_word({"none": None}, parsers.mebibytes),
    ),
    Setting(
        "GPUDOCK_SHOW_HOLDERS",
        "no",
        "`yes` lets every user see who has which GPU. With `no` only administrators see names.",
        parsers.switch,
    ),
    Setting(
        "GPUDOCK_METRICS_TOKEN",
        "",
        "A password of at least 16 characters with which Prometheus may read"
        " `/services/gpudock/metrics`. Not set: only tokens of the Hub may, which have the scope"
        " `custom:gpudock:read`.",
        parsers.token,
        secret=True,
    ),
    Setting(
        "GPUDOCK_DB_URL",
        "sqlite:////srv/gpudock/shared/gpudock.sqlite",
        "The database with leases and quotas: `sqlite:////srv/gpudock/shared/NAME`, in the folder"
        " that hub and desk share, or `postgresql://user:password@host/database`.",
        parsers.database,
        secret=True,
    ),
    Setting(
        "GPUDOCK_DOCKER_SOCKET",
        "/var/run/docker.sock",
        "The Docker Engine's socket on the host.",
        parsers.absolute_path,
    ),
    Setting(
        "GPUDOCK_NETWORK",
        "gpudock",
        "The Docker network of hub, proxy and users. `docker-compose.yml` sets it to the network"
        " that it makes.",
        parsers.docker_name,
    ),
    Setting(
        "GPUDOCK_AGENT_NETWORK",
        "",
        "The Docker network of hub and agent. `docker-compose.yml` sets it to one that users'"
        " containers cannot reach. Not set: the network of hub and users.",
        parsers.docker_name,
    ),
    Setting(
        "GPUDOCK_DESK_URL",
        "http://desk:10101",
        "Where hub and proxy reach the desk, which serves the pages about GPUs and the REST API.",
        parsers.web_address,
    ),
    Setting(
        "GPUDOCK_AGENT_IMAGE",
        "",
        "The image of the container that reads the host's GPUs. Not set: the hub's own.",
        parsers.image_reference,
    ),
    Setting(
        "GPUDOCK_DEBIAN_MIRROR",
        "",
        "The Debian mirror from which `make up` takes an engine and the base image where it must."
        " Not set: the one that the host uses.",
        parsers.web_address,
    ),
    Setting(
        "GPUDOCK_CA_BUNDLE",
        "",
        "A file with the certificate authorities to trust while images are built. Not set:"
        " `/etc/ssl/certs/ca-certificates.crt`.",
        parsers.absolute_path,
    ),
)


@dataclass(frozen=True)
class Settings:
    """The settings in force. What each means and its default is in ``SETTINGS``.

    Sizes are in MiB, times in hours. ``None`` is no limit, or nothing set; a memory limit of
    ``"auto"`` becomes a number in ``memory_for``.
    """

    port: int
    base_url: str
    admin: str
    admin_password: str | None = field(repr=False)
    authenticator: str
    allow_anyone: bool
    images: tuple[Image, ...]
    workspaces: Workspaces
    max_gpus_default: int
    queue_timeout_hours: float | None
    memory_limit: int | Literal["auto"] | None
    cpu_limit: float | None
    pids_limit: int
    shm_size: int
    leftover_memory: int | None
    show_holders: bool
    metrics_token: str | None = field(repr=False)
    db_url: str = field(repr=False)
    docker_socket: Path
    network: str
    agent_network: str | None
    desk_url: str
    agent_image: str | None
    debian_mirror: str | None
    ca_bundle: Path | None

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read and validate the settings; a variable that is empty counts as not set.

        Raises:
            SettingsError: with every problem that there is, not just the first.
        """
        values: dict[str, Any] = {}
        problems = []
        for setting in SETTINGS:
            written = environ.get(setting.name, "").strip() or setting.default
            try:
                values[setting.attribute] = setting.parse(written) if written else None
            except ValueError as error:
                shown = "" if setting.secret else f" is «{written}»"
                problems.append(f"{setting.name}{shown}: {error}.")
        if values.get("authenticator") == "dummy" and not values.get("allow_anyone"):
            problems.append(
                "GPUDOCK_AUTHENTICATOR is «dummy», which lets anybody sign in as anybody: use"
                " native, or set GPUDOCK_ALLOW_ANYONE=yes if that is what you want."
            )
        if values.get("admin_password") and values["admin_password"] == values.get("admin"):
            problems.append("GPUDOCK_ADMIN_PASSWORD is the user name: give another.")
        if problems:
            raise SettingsError(problems)
        return cls(**values)

    @property
    def default_quota(self) -> Quota:
        """The limits of whoever has none of their own, in hub, desk and command line alike."""
        return Quota(max_gpus=self.max_gpus_default)

    def memory_for(self, host_mib: int, gpus: int) -> int | None:
        """Return the memory limit of a container in MiB, or None for no limit.

        Args:
            host_mib: the memory of the host in MiB.
            gpus: how many GPUs the host has.
        """
        if self.memory_limit != "auto":
            return self.memory_limit
        return max(parsers.MINIMUM_MEMORY_MIB, int(host_mib * (1 - HOST_RESERVE)) // max(gpus, 2))

    def shm_for(self, memory_mib: int | None) -> int:
        """Return the size of ``/dev/shm`` in MiB for a container with this memory limit."""
        return self.shm_size if memory_mib is None else min(self.shm_size, memory_mib // 2)


def unknown_settings(names: Iterable[str]) -> list[str]:
    """Return a sentence for each name that looks like a setting and is none."""
    known = [setting.name for setting in SETTINGS]
    problems = []
    for name in names:
        if not name.startswith(PREFIX) or name in known:
            continue
        similar = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {similar[0]}?" if similar else f"{REFERENCE} lists all settings."
        problems.append(f"There is no setting {name}. {hint}")
    return problems
