"""``make up`` and ``make down``: the whole lab, from a bare machine to an address to sign in at."""

import contextlib
import fcntl
import json
import os
import socket
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from gpudock.config.settings import Settings, SettingsError, unknown_settings
from gpudock.deploy import dotenv, images, preflight, pretend, say
from gpudock.deploy.base_image import ensure_base_image
from gpudock.deploy.engine import Engine, ensure_engine, find_engine
from gpudock.deploy.tools import Compose, Tools, find_tools

START_SECONDS = 180
STOP_SECONDS = 20
LOG_LINES = 40
DEFAULT_PROJECT = "gpudock"
PASSWORD_FILE = "/srv/gpudock/admin-password"  # noqa: S105 (the file's name, not a password)

NOT_SETTINGS = ("GPUDOCK_TEST_SOCKET", "GPUDOCK_TEST_THOROUGH")
"""Names that look like settings and belong to the tests."""

CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
"""Where distributions keep the certificate authorities that the machine trusts."""


@dataclass(frozen=True)
class Configuration:
    """What was configured, by the environment and by ``.env``.

    Attributes:
        settings: the validated settings.
        environ: the environment, with what only ``.env`` sets added.
    """

    settings: Settings
    environ: Mapping[str, str]

    @property
    def project(self) -> str:
        """The Compose project's name, which is also the name of its network."""
        return self.environ.get("COMPOSE_PROJECT_NAME") or DEFAULT_PROJECT


def read_configuration(root: Path, environ: Mapping[str, str]) -> Configuration:
    """Read and validate the settings.

    Raises:
        ProblemError: with a sentence for each that is wrong.
    """
    in_file = dotenv.read(root / ".env")
    problems = unknown_settings(in_file)
    for problem in unknown_settings(set(environ) - set(NOT_SETTINGS)):
        say.problem(f"In the environment: {problem}")
    merged = {**in_file, **environ}
    merged.setdefault("GPUDOCK_CA_BUNDLE", _ca_bundle())
    try:
        settings = Settings.from_environ(merged)
    except SettingsError as error:
        raise say.ProblemError("\n".join([*problems, *error.problems])) from error
    if settings.ca_bundle is not None and not settings.ca_bundle.exists():
        problems.append(f"GPUDOCK_CA_BUNDLE names {settings.ca_bundle}, which is not there.")
    if problems:
        raise say.ProblemError("\n".join(problems))
    return Configuration(settings, merged)


def up(root: Path, simulate_gpus: int | None) -> None:
    """Bring the lab up, or up to date, and say how to sign in.

    Args:
        root: the folder of the project.
        simulate_gpus: how many pretend GPUs to give it; None leaves that as it is.

    Raises:
        ProblemError: something is in the way, or the lab does not start.
    """
    configuration = read_configuration(root, os.environ)
    with _alone(configuration):
        _up(configuration, root, simulate_gpus)


def _up(configuration: Configuration, root: Path, simulate_gpus: int | None) -> None:
    settings = configuration.settings
    engine = ensure_engine(settings.docker_socket, environ=configuration.environ)
    preflight.check_port(engine, configuration.project, settings.port)
    pretend.simulate(engine, root, simulate_gpus)
    compose = _build(configuration, engine, root)
    say.step("Starting the lab")
    if compose.show("up", "--detach", "--no-build", "--wait", "--wait-timeout", str(START_SECONDS)):
        _explain_failure(compose)
    _tell_address(compose, settings)


def build_images(root: Path) -> None:
    """Bring an engine, if none answers, and build the lab's images in it.

    Raises:
        ProblemError: something is in the way, or an image cannot be built.
    """
    configuration = read_configuration(root, os.environ)
    engine = ensure_engine(configuration.settings.docker_socket, environ=configuration.environ)
    _build(configuration, engine, root)


def down(root: Path) -> None:
    """Stop the lab and its users' containers; workspaces, accounts and leases' history stay.

    Raises:
        ProblemError: Docker refuses.
    """
    configuration, engine, compose = _connect(root)
    if engine is None:
        say.step("No Docker Engine answers, so no lab runs")
        return
    with _alone(configuration):
        say.step("Stopping the lab; all data stays")
        if compose.show("stop"):
            raise say.ProblemError("Docker Compose could not stop the lab; it says why above.")
        _stop_containers(compose.tools, configuration.project)
        if compose.show("down", "--remove-orphans"):
            raise say.ProblemError("Docker Compose could not end the lab; it says why above.")


def password(root: Path) -> None:
    """Show the one-time password of the first administrator.

    Raises:
        ProblemError: the lab is not up, or there is no such password (any more).
    """
    _, engine, compose = _connect(root)
    found = _one_time_password(compose) if engine is not None else None
    if found is None:
        raise say.ProblemError(
            "There is no one-time password: the lab is not up, or the administrator has a password"
            " of their own by now. «make up» starts the lab."
        )
    print(found)


def logs(root: Path) -> None:
    """Follow the logs of hub, desk and proxy until interrupted."""
    _, engine, compose = _connect(root)
    if engine is not None:
        compose.show("logs", "--follow", "--tail", "100", "hub", "desk", "proxy")


@contextlib.contextmanager
def _alone(configuration: Configuration) -> Iterator[None]:
    """Let one process at a time start or stop this lab: Compose confuses two that meet."""
    name = f"gpudock-{os.getuid()}-{configuration.project}.lock"
    # Whoever owns the file could hold the lock for ever: not in a folder that all may write to.
    folder = Path("/run") if os.getuid() == 0 else Path(tempfile.gettempdir())
    lock = os.open(folder / name, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say.step("Another «make up» or «make down» is at work on this lab; waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _connect(root: Path) -> tuple[Configuration, Engine | None, Compose]:
    """Return what is there, without starting anything."""
    configuration = read_configuration(root, os.environ)
    path = configuration.settings.docker_socket
    tools = find_tools(path, configuration.environ)
    return configuration, find_engine(path), Compose(tools, root, configuration.environ)


def _build(configuration: Configuration, engine: Engine, root: Path) -> Compose:
    tools = find_tools(engine.socket, configuration.environ)
    compose = Compose(tools, root, configuration.environ)
    preflight.check_disk(engine, _images(compose))
    ensure_base_image(engine, tools, configuration.environ)
    images.build(compose)
    return compose


def _ca_bundle() -> str:
    """Name the machine's certificate authorities; where it has none, an empty file."""
    return next((path for path in CA_BUNDLES if Path(path).exists()), "/dev/null")


def _images(compose: Compose) -> list[str]:
    status, said = compose.run("config", "--images")
    if status != 0:
        raise say.ProblemError(f"docker-compose.yml cannot be used: {said.strip()[-500:]}")
    return said.split()


def _explain_failure(compose: Compose) -> None:
    """Show the log of the service that failed, and say which it is."""
    _, listed = compose.run("ps", "--all", "--format", "json")
    services = [json.loads(line) for line in listed.splitlines() if line.startswith("{")]
    failed = [
        service["Service"]
        for service in services
        if service["State"] != "running" or service["Health"] not in {"", "healthy"}
    ]
    for service in failed:
        say.detail(f"The end of the log of «{service}»:")
        _, said = compose.run("logs", "--no-log-prefix", "--tail", str(LOG_LINES), service)
        for line in said.splitlines():
            say.detail(line)
    names = " and ".join(failed) or "a part of it"
    raise say.ProblemError(
        f"The lab did not start: {names} did not come up. The lines above say why;"
        " «make logs» shows more."
    )


def _stop_containers(tools: Tools, project: str) -> None:
    """Stop users' containers and remove the agent's; the leases end when the hub sees that."""
    for label, action in (
        ("gpudock.lease", ["stop", "--time", str(STOP_SECONDS)]),
        ("gpudock.agent=true", ["rm", "--force", "--volumes"]),
    ):
        listed = tools.run(
            "ps",
            "--quiet",
            "--filter",
            f"label={label}",
            "--filter",
            f"label=gpudock.lab={project}",
        )
        containers = listed.stdout.split()
        if containers:
            tools.run(*action, *containers)
            say.detail(f"{action[0]}: {len(containers)} with label {label}")


def _one_time_password(compose: Compose) -> str | None:
    status, said = compose.run("exec", "--no-TTY", "--user", "gpudock", "hub", "cat", PASSWORD_FILE)
    return said.strip() if status == 0 else None


def _tell_address(compose: Compose, settings: Settings) -> None:
    place = f":{settings.port}{settings.base_url.rstrip('/')}"
    say.step(f"The lab is up: http://localhost{place} (http://{socket.gethostname()}{place})")
    if settings.admin_password is not None:
        say.detail(f"Sign in as «{settings.admin}» with the password in GPUDOCK_ADMIN_PASSWORD.")
    elif _one_time_password(compose) is not None:
        say.detail(f"Sign in as «{settings.admin}»; «make password» shows the one-time password.")
    else:
        say.detail(f"Sign in as «{settings.admin}» with the password that you chose.")
