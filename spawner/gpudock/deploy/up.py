"""``make up`` and ``make down``: start and stop the whole lab."""

import contextlib
import fcntl
import json
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from gpudock.config import extra_config
from gpudock.config.settings import Settings, SettingsError, contradictions, unknown_settings
from gpudock.deploy import dotenv, images, output, preflight, reachability, simulated_gpus
from gpudock.deploy.base_image import ensure_base_image
from gpudock.deploy.engine import Engine, ensure_engine, find_engine
from gpudock.deploy.tools import Compose, Tools, find_tools

START_SECONDS = 180
STOP_SECONDS = 20
LOG_LINES = 40
DEFAULT_PROJECT = "gpudock"
PASSWORD_FILE = "/srv/gpudock/admin-password"  # noqa: S105 (the file's name, not a password)

RECORD = str(extra_config.RECORD)

NOT_SETTINGS = ("GPUDOCK_TEST_SOCKET", "GPUDOCK_TEST_THOROUGH")
"""Names that look like settings but belong to the tests."""

CA_BUNDLES = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
)
"""Where distributions keep the machine's certificate authorities."""


@dataclass(frozen=True)
class Configuration:
    """The configuration, from the environment and ``.env``.

    Attributes:
        settings: the validated settings.
        environ: the environment and, where it sets nothing, ``.env``.
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
        ProblemError: with a sentence for each that is not valid.
    """
    in_file = dotenv.read(root / ".env")
    problems = unknown_settings(in_file)
    for problem in unknown_settings(set(environ) - set(NOT_SETTINGS)):
        output.problem(f"In the environment: {problem}")
    merged = {**in_file, **environ}
    merged.setdefault("GPUDOCK_CA_BUNDLE", _ca_bundle())
    merged["GPUDOCK_CONFIGURATION_DIGEST"] = extra_config.digest(root / extra_config.FOLDER)
    try:
        settings = Settings.from_environ(merged)
    except SettingsError as error:
        raise output.ProblemError("\n".join([*problems, *error.problems])) from error
    if settings.ca_bundle is not None and not settings.ca_bundle.exists():
        problems.append(f"GPUDOCK_CA_BUNDLE names {settings.ca_bundle}, which does not exist.")
    if problems:
        raise output.ProblemError("\n".join(problems))
    return Configuration(settings, merged)


def up(root: Path, simulate_gpus: int | None) -> None:
    """Start the lab, or update it, and show how to sign in.

    Args:
        root: the project's folder.
        simulate_gpus: number of simulated GPUs; ``None`` changes nothing.

    Raises:
        ProblemError: a check failed, or the lab does not start.
    """
    configuration = read_configuration(root, os.environ)
    with _alone(configuration):
        _up(configuration, root, simulate_gpus)


def _up(configuration: Configuration, root: Path, simulate_gpus: int | None) -> None:
    settings = configuration.settings
    for contradiction in contradictions(settings, configuration.environ):
        output.problem(contradiction)
    preflight.check_extra_configuration(root, settings.lab_logo)
    engine = ensure_engine(settings.docker_socket, environ=configuration.environ)
    preflight.check_port(engine, configuration.project, settings.port)
    preflight.check_labs(engine, configuration.project)
    simulated_gpus.simulate(engine, root, simulate_gpus)
    compose = _build(configuration, engine, root)
    preflight.check_syntax(root, compose)
    output.step("Starting the lab")
    if compose.show("up", "--detach", "--no-build", "--wait", "--wait-timeout", str(START_SECONDS)):
        _explain_failure(compose)
    _show_ignored_lines(compose)
    reachability.ensure(engine, configuration.project, settings)
    _show_address(compose, engine, settings)


def build_images(root: Path) -> None:
    """Build the lab's images, in an engine that is started if none answers.

    Raises:
        ProblemError: a check failed, or an image cannot be built.
    """
    configuration = read_configuration(root, os.environ)
    engine = ensure_engine(configuration.settings.docker_socket, environ=configuration.environ)
    _build(configuration, engine, root)


def down(root: Path) -> None:
    """Stop the lab and its users' containers; workspaces, accounts and history stay.

    Raises:
        ProblemError: Docker refuses.
    """
    configuration, engine, compose = _connect(root)
    if engine is None:
        output.step("No Docker Engine answers, so no lab is running")
        return
    with _alone(configuration):
        output.step("Stopping the lab; all data stays")
        if compose.show("stop"):
            raise output.ProblemError(
                "Docker Compose could not stop the lab; see its messages above."
            )
        _stop_containers(compose.tools, configuration.project)
        if compose.show("down", "--remove-orphans"):
            raise output.ProblemError(
                "Docker Compose could not remove the lab; see its messages above."
            )


def password(root: Path) -> None:
    """Show the one-time password of the first administrator.

    Raises:
        ProblemError: the lab is not running, or there is no such password.
    """
    _, engine, compose = _connect(root)
    found = _one_time_password(compose) if engine is not None else None
    if found is None:
        raise output.ProblemError(
            "There is no one-time password: the lab is not running, or the administrator has"
            ' already chosen a password. "make up" starts the lab.'
        )
    print(found)


def logs(root: Path) -> None:
    """Follow the logs of hub, desk and proxy until interrupted."""
    _, engine, compose = _connect(root)
    if engine is not None:
        compose.show("logs", "--follow", "--tail", "100", "hub", "desk", "proxy")


def command_line(root: Path, words: Sequence[str]) -> None:
    """Run ``gpudock`` with these arguments in the hub's container.

    Raises:
        ProblemError: the lab is not running, or the command failed.
    """
    _, engine, compose = _connect(root)
    if engine is None:
        raise output.ProblemError('The lab is not running. "make up" starts it.')
    terminal = [] if sys.stdin.isatty() else ["--no-TTY"]
    if compose.show("exec", *terminal, "hub", "gpudock", *words):
        raise output.ProblemError(
            "The command did not succeed; the lines above say why. If the hub is not running,"
            ' "make up" starts it.'
        )


@contextlib.contextmanager
def _alone(configuration: Configuration) -> Iterator[None]:
    """Allow one process at a time to start or stop this lab, because Compose does not lock it."""
    name = f"gpudock-{os.getuid()}-{configuration.project}.lock"
    # Root's lock is not in a folder that everyone can write to: its owner could hold it forever.
    folder = Path("/run") if os.getuid() == 0 else Path(tempfile.gettempdir())
    lock = os.open(folder / name, os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            output.step('Waiting for another "make up" or "make down" of this lab')
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _connect(root: Path) -> tuple[Configuration, Engine | None, Compose]:
    """Return the configuration, the engine and Compose, without starting anything."""
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
    """Return the file of the machine's certificate authorities, or an empty file."""
    return next((path for path in CA_BUNDLES if Path(path).exists()), "/dev/null")


def _images(compose: Compose) -> list[str]:
    status, text = compose.run("config", "--images")
    if status != 0:
        raise output.ProblemError(f"docker-compose.yml is not valid: {text.strip()[-500:]}")
    return text.split()


def _explain_failure(compose: Compose) -> None:
    """Show the logs of the services that failed.

    Raises:
        ProblemError: always.
    """
    _, listed = compose.run("ps", "--all", "--format", "json")
    services = [json.loads(line) for line in listed.splitlines() if line.startswith("{")]
    failed = [
        service["Service"]
        for service in services
        if service["State"] != "running" or service["Health"] not in {"", "healthy"}
    ]
    for service in failed:
        output.detail(f"The end of the log of {service}:")
        _, text = compose.run("logs", "--no-log-prefix", "--tail", str(LOG_LINES), service)
        for line in text.splitlines():
            output.detail(line)
    names = " and ".join(failed) or "a service"
    raise output.ProblemError(
        f'The lab did not start: {names} failed. The lines above say why; "make logs" shows more.'
    )


def _stop_containers(tools: Tools, project: str) -> None:
    """Stop users' containers and remove the agent's; the hub ends the leases later."""
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
            output.detail(f"{action[0]}: {len(containers)} with label {label}")


def _one_time_password(compose: Compose) -> str | None:
    status, text = compose.run("exec", "--no-TTY", "--user", "gpudock", "hub", "cat", PASSWORD_FILE)
    return text.strip() if status == 0 else None


def _show_ignored_lines(compose: Compose) -> None:
    """Show the lines of the lab's own configuration that have no effect."""
    status, text = compose.run("exec", "--no-TTY", "--user", "gpudock", "hub", "cat", RECORD)
    record = extra_config.Record.parse(text) if status == 0 else None
    for warning in [] if record is None else record.warnings:
        output.problem(warning)


def _show_address(compose: Compose, engine: Engine, settings: Settings) -> None:
    place = f":{settings.port}{settings.base_url.rstrip('/')}"
    elsewhere = f" (http://{socket.gethostname()}{place})" if engine.address == "localhost" else ""
    output.step(f"The lab is up: http://{engine.address}{place}{elsewhere}")
    if settings.admin_password is not None:
        output.detail(f'Sign in as "{settings.admin}" with the password in GPUDOCK_ADMIN_PASSWORD.')
    elif _one_time_password(compose) is not None:
        output.detail(
            f'Sign in as "{settings.admin}"; "make password" shows the one-time password.'
        )
    else:
        output.detail(f'Sign in as "{settings.admin}" with the password that you chose.')
