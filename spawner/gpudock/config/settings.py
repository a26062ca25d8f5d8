"""Every GPUDOCK_* setting: read and validated in one place, before it is used.

Only the standard library is needed, because ``make up`` reads the settings on a bare machine.
"""

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from gpudock.config import parsers
from gpudock.config.parsers import Image, Parser, Workspaces
from gpudock.model import MAX_GPUS, Quota

PREFIX = "GPUDOCK_"
REFERENCE = "docs/reference/settings.md"
HOST_RESERVE = 0.1
"""The part of the host's memory that ``auto`` reserves for the hub and the host itself."""


SESSION_HOURS = 4.0
"""How long a session lasts where nobody has set anything, hours."""


class SettingsError(Exception):
    """Settings that are not valid.

    Attributes:
        problems: one sentence for each of them.
    """

    def __init__(self, problems: Iterable[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


@dataclass(frozen=True)
class Setting:
    """One setting.

    Attributes:
        name: the name of its environment variable.
        default: its text where it is not set; may be empty.
        help: its documentation.
        parse: parses its text; see :mod:`gpudock.config.parsers`.
        secret: whether its text may contain a password, and so is never shown.
    """

    name: str
    default: str
    help: str
    parse: Parser = field(repr=False)
    secret: bool = False

    @property
    def attribute(self) -> str:
        """The name of its value in ``Settings``."""
        return self.name.removeprefix(PREFIX).lower()


SETTINGS = (
    Setting(
        "GPUDOCK_PORT",
        "8000",
        "The port of the lab's web address.",
        parsers.integer(1, 65535),
    ),
    Setting(
        "GPUDOCK_BASE_URL",
        "/",
        "The path of the lab's web address, such as `/jupyter/`, for a lab behind another web"
        " server.",
        parsers.base_path,
    ),
    Setting(
        "GPUDOCK_LAB_NAME",
        "",
        "The lab's name, which its pages show beside the logo and in the title, such as"
        " `Vision Lab`.",
        parsers.lab_name,
    ),
    Setting(
        "GPUDOCK_LAB_LOGO",
        "",
        "The lab's logo in place of JupyterHub's: the name of a file in the folder"
        " `jupyterhub_config.d`, such as `logo.svg`. PNG, JPEG, GIF, WebP or SVG, at most 1 MiB.",
        parsers.logo_file,
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
        f"The first administrator's password, at least {parsers.MIN_PASSWORD_LENGTH} characters."
        " If not set, a new lab creates a one-time password, which `make password` shows.",
        parsers.password,
        secret=True,
    ),
    Setting(
        "GPUDOCK_AUTHENTICATOR",
        "native",
        "How users sign in: `native` (accounts in the lab itself), or any other JupyterHub"
        " authenticator that is installed in the hub's image.",
        parsers.authenticator,
    ),
    Setting(
        "GPUDOCK_ALLOW_ANYONE",
        "no",
        "`yes` allows the authenticator `dummy`, with which anyone can sign in as any user. Only"
        " for trials on a machine that nobody else can reach.",
        parsers.switch,
    ),
    Setting(
        "GPUDOCK_IMAGES",
        "PyTorch 2.6=gpudock/pytorch-cuda:v2.6",
        "The images that users can choose, as comma-separated `Label=image` pairs. The first one is"
        " the default. Containers run as the user and group 1000, to whom workspaces belong; with"
        " `Label=image;user=image` as the user that the image names, which may be root.",
        parsers.images,
    ),
    Setting(
        "GPUDOCK_WORKSPACES",
        "gpudock-workspace-{user}",
        "Where workspaces are kept: the name of a Docker volume for each user, or a directory of"
        " the host such as `/data/workspaces/{user}`. `{user}` is replaced with a safe form of the"
        " user name.",
        parsers.workspaces,
    ),
    Setting(
        "GPUDOCK_MAX_GPUS_DEFAULT",
        "1",
        "Maximum number of GPUs that a user can have at once, unless an administrator sets another"
        " limit.",
        parsers.integer(0, MAX_GPUS),
    ),
    Setting(
        "GPUDOCK_SESSION_HOURS_DEFAULT",
        f"{SESSION_HOURS:g}",
        "How long a session lasts unless its user extends it, in hours, unless an administrator"
        " sets another length. Where a quota sets `max_session_hours` alone, sessions have that"
        " length. `none`: as long as the maximum allows.",
        parsers.or_word({"none": None}, parsers.number(0.01, 8760)),
    ),
    Setting(
        "GPUDOCK_MAX_SESSION_HOURS_DEFAULT",
        "12",
        "The longest session, extensions included, in hours, unless an administrator sets another"
        " limit. `none`: no limit.",
        parsers.or_word({"none": None}, parsers.number(0.01, 8760)),
    ),
    Setting(
        "GPUDOCK_IDLE_MINUTES_DEFAULT",
        "none",
        "A session ends after its GPUs were idle for this long, in minutes, unless an administrator"
        " sets another limit. `none`: it is only shown as idle, because work that needs no GPU for"
        " a while would be lost.",
        parsers.or_word({"none": None}, parsers.number(1, 525600)),
    ),
    Setting(
        "GPUDOCK_QUEUE_TIMEOUT_HOURS",
        "24",
        "Longest time a request may wait for a GPU, in hours. After that it is removed. `none`: no"
        " limit.",
        parsers.or_word({"none": None}, parsers.number(0.01, 8760)),
    ),
    Setting(
        "GPUDOCK_MEMORY_LIMIT",
        "auto",
        "Memory limit of each container, such as `32G`. `auto`: nine tenths of the host's memory,"
        " divided by the number of GPUs (by two, if there is only one or none). `none`: no limit.",
        parsers.or_word({"auto": "auto", "none": None}, parsers.memory),
    ),
    Setting(
        "GPUDOCK_CPU_LIMIT",
        "none",
        "Processors of each container, such as `4` or `0.5`. `none`: no limit; the kernel divides"
        " them fairly when all are busy.",
        parsers.or_word({"none": None}, parsers.number(0.1, 4096)),
    ),
    Setting(
        "GPUDOCK_PIDS_LIMIT",
        "4096",
        "Maximum number of processes and threads in each container.",
        parsers.integer(256, 4194304),
    ),
    Setting(
        "GPUDOCK_SHM_SIZE",
        "8G",
        "Size of `/dev/shm` in each container, which PyTorch's DataLoader workers need. Its content"
        " counts as memory, so it is never larger than half of the memory limit.",
        parsers.shared_memory,
    ),
    Setting(
        "GPUDOCK_LEFTOVER_MEMORY",
        "1G",
        "Memory that may be in use on a GPU without a lease. With more in use, or a process that"
        " has more, the GPU counts as used by another program and is not granted. Display servers"
        " do not count. `none`: any amount, except that of a process, for example where a Windows"
        " desktop uses the GPU.",
        parsers.or_word({"none": None}, parsers.mebibytes),
    ),
    Setting(
        "GPUDOCK_OBSERVERS",
        "",
        "Comma-separated names or images of containers that have GPUs but do not compute on them,"
        " such as exporters: for example `dcgm-exporter,nvcr.io/nvidia/k8s/*`. `*` stands for"
        " anything, and an image without a tag for all its tags. The label `gpudock.observer=true`"
        " on a container does the same.",
        parsers.observers,
    ),
    Setting(
        "GPUDOCK_SHOW_HOLDERS",
        "no",
        "`yes` shows all users who has which GPU. `no` shows names only to administrators.",
        parsers.switch,
    ),
    Setting(
        "GPUDOCK_METRICS_TOKEN",
        "",
        "A token of at least 16 characters with which Prometheus can read"
        " `/services/gpudock/metrics`. If not set, only Hub tokens with the scope"
        " `custom:gpudock:read` can.",
        parsers.token,
        secret=True,
    ),
    Setting(
        "GPUDOCK_DB_URL",
        "sqlite:////srv/gpudock/shared/gpudock.sqlite",
        "The database of leases and quotas: `sqlite:////srv/gpudock/shared/NAME`, in the folder"
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
        "The Docker network of hub, proxy and users' containers. `docker-compose.yml` sets it.",
        parsers.docker_name,
    ),
    Setting(
        "GPUDOCK_AGENT_NETWORK",
        "",
        "The Docker network of hub and agent. `docker-compose.yml` sets it to one that users'"
        " containers cannot reach. If not set, the network of hub and users is used.",
        parsers.docker_name,
    ),
    Setting(
        "GPUDOCK_DESK_URL",
        "http://desk:10101",
        "URL at which hub and proxy reach the desk, which serves the GPU pages and the REST API.",
        parsers.web_address,
    ),
    Setting(
        "GPUDOCK_AGENT_IMAGE",
        "",
        "The image of the agent's container, which reads the host's GPUs. If not set, the hub's"
        " image is used.",
        parsers.image_reference,
    ),
    Setting(
        "GPUDOCK_DEBIAN_MIRROR",
        "",
        "The Debian mirror from which `make up` installs an engine and builds the base image, if"
        " necessary. If not set, the host's mirror is used.",
        parsers.web_address,
    ),
    Setting(
        "GPUDOCK_CA_BUNDLE",
        "",
        "A file with the certificate authorities to trust while images are built. If not set,"
        " `/etc/ssl/certs/ca-certificates.crt` is used.",
        parsers.absolute_path,
    ),
)


@dataclass(frozen=True)
class Settings:
    """The settings in force; ``SETTINGS`` documents each.

    Sizes are in MiB, times in hours. ``None`` is no limit, or not set; ``memory_for`` resolves a
    memory limit of ``"auto"``.
    """

    port: int
    base_url: str
    lab_name: str | None
    lab_logo: str | None
    admin: str
    admin_password: str | None = field(repr=False)
    authenticator: str
    allow_anyone: bool
    images: tuple[Image, ...]
    workspaces: Workspaces
    max_gpus_default: int
    session_hours_default: float | None
    max_session_hours_default: float | None
    idle_minutes_default: float | None
    queue_timeout_hours: float | None
    memory_limit: int | Literal["auto"] | None
    cpu_limit: float | None
    pids_limit: int
    shm_size: int
    leftover_memory: int | None
    observers: tuple[str, ...] | None
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
            SettingsError: with all problems, not just the first.
        """
        values: dict[str, Any] = {}
        problems = []
        for setting in SETTINGS:
            written = environ.get(setting.name, "").strip() or setting.default
            try:
                values[setting.attribute] = setting.parse(written) if written else None
            except ValueError as error:
                shown = "" if setting.secret else f' is "{written}"'
                problems.append(f"{setting.name}{shown}: {error}.")
        if values.get("authenticator") == "dummy" and not values.get("allow_anyone"):
            problems.append(
                'GPUDOCK_AUTHENTICATOR is "dummy", with which anyone can sign in as any user: use'
                " native, or set GPUDOCK_ALLOW_ANYONE=yes if that is what you want."
            )
        if values.get("admin_password") and values["admin_password"] == values.get("admin"):
            problems.append("GPUDOCK_ADMIN_PASSWORD is the user name: choose another password.")
        if problems:
            raise SettingsError(problems)
        longest = values["max_session_hours_default"]
        if longest is not None and not _is_set(environ, "GPUDOCK_SESSION_HOURS_DEFAULT"):
            # Who sets the maximum alone contradicts nothing.
            values["session_hours_default"] = min(values["session_hours_default"], longest)
        return cls(**values)

    @property
    def default_quota(self) -> Quota:
        """The limits of users who have no others."""
        return Quota(
            max_gpus=self.max_gpus_default,
            session_hours=self.session_hours_default,
            max_session_hours=self.max_session_hours_default,
            idle_minutes=self.idle_minutes_default,
        )

    def memory_for(self, host_mib: int, gpus: int) -> int | None:
        """Return the memory limit of a container in MiB, or ``None`` for no limit.

        Args:
            host_mib: the host's memory in MiB.
            gpus: the host's number of GPUs.
        """
        if self.memory_limit != "auto":
            return self.memory_limit
        return max(parsers.MIN_MEMORY_MIB, int(host_mib * (1 - HOST_RESERVE)) // max(gpus, 2))

    def shm_for(self, memory_mib: int | None) -> int:
        """Return the size of ``/dev/shm`` in MiB for a container with this memory limit."""
        return self.shm_size if memory_mib is None else min(self.shm_size, memory_mib // 2)


def contradictions(settings: Settings, environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each setting of the environment that another one cancels."""
    found = []
    usual, longest = settings.session_hours_default, settings.max_session_hours_default
    if usual is not None and longest is not None and usual > longest:
        found.append(
            f"GPUDOCK_SESSION_HOURS_DEFAULT is {usual:g}, and GPUDOCK_MAX_SESSION_HOURS_DEFAULT"
            f" only {longest:g}: sessions will last {longest:g} h, the maximum, and cannot be"
            " extended."
        )
    hours = min((h for h in (usual, longest) if h is not None), default=None)
    idle = settings.idle_minutes_default
    if idle is not None and hours is not None and idle >= 60 * hours:
        found.append(
            f"GPUDOCK_IDLE_MINUTES_DEFAULT is {idle:g}, and sessions last {hours:g} h: they are"
            " over before they can be idle for so long, unless they are extended."
        )
    wait = settings.queue_timeout_hours
    if (
        _is_set(environ, "GPUDOCK_QUEUE_TIMEOUT_HOURS")
        and wait is not None
        and hours is not None
        and wait < hours
    ):
        found.append(
            f"GPUDOCK_QUEUE_TIMEOUT_HOURS is {wait:g}, and sessions last {hours:g} h: in a full lab"
            " most requests are removed before a session ends."
        )
    shared, memory = settings.shm_size, settings.memory_limit
    if (
        _is_set(environ, "GPUDOCK_SHM_SIZE")
        and isinstance(memory, int)
        and settings.shm_for(memory) < shared
    ):
        found.append(
            f"GPUDOCK_SHM_SIZE is {shared} MiB, and GPUDOCK_MEMORY_LIMIT {memory} MiB: /dev/shm"
            f" will have {settings.shm_for(memory)} MiB, half of the memory."
        )
    return found


def _is_set(environ: Mapping[str, str], name: str) -> bool:
    return bool(environ.get(name, "").strip())


def unknown_settings(names: Iterable[str]) -> list[str]:
    """Return a sentence for each name that looks like a setting but is not one."""
    known = [setting.name for setting in SETTINGS]
    problems = []
    for name in names:
        if not name.startswith(PREFIX) or name in known:
            continue
        similar = difflib.get_close_matches(name, known, n=1)
        hint = f"Did you mean {similar[0]}?" if similar else f"{REFERENCE} lists all settings."
        problems.append(f"There is no setting {name}. {hint}")
    return problems
