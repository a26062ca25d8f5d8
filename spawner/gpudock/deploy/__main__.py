"""``python -m gpudock.deploy``: the commands behind the Makefile."""

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from gpudock.deploy import engine, output, up
from gpudock.deploy.engine_config import DEFAULT_SOCKET

MAX_SIMULATED_GPUS = 64


def main() -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="gpudock.deploy", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    bring = commands.add_parser("up", help="start the lab")
    bring.add_argument("--simulate-gpus", type=_count, metavar="N", help="with N simulated GPUs")
    bring.set_defaults(run=lambda given: up.up(Path.cwd(), given.simulate_gpus))
    for name, about, run in (
        ("down", "stop the lab and keep its data", up.down),
        ("password", "show the first administrator's one-time password", up.password),
        ("images", "start an engine and build the images in it", up.build_images),
        ("logs", "follow the logs of hub, desk and proxy", up.logs),
    ):
        commands.add_parser(name, help=about).set_defaults(run=_in_this_folder(run))

    administer = commands.add_parser("gpudock", help="run gpudock in the hub's container")
    administer.add_argument("words", nargs=argparse.REMAINDER, help="its arguments")
    administer.set_defaults(run=lambda given: up.command_line(Path.cwd(), _words(given.words)))

    own = commands.add_parser("engine", help="start or stop a separate Docker Engine")
    own.add_argument("--socket", type=Path, default=DEFAULT_SOCKET)
    own.add_argument("--data-root", type=Path)
    own.add_argument("--stop", action="store_true", help="stop it, and its containers")
    own.add_argument(
        "--keep-containers", action="store_true", help="with --stop: leave them running"
    )
    own.add_argument("--purge", action="store_true", help="with --stop: delete all its data")
    own.set_defaults(run=_engine)

    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except output.ProblemError as error:
        for line in str(error).splitlines():
            output.problem(line)
        return 1
    except KeyboardInterrupt:
        output.problem("Interrupted; run the same command again to continue from here.")
        return 130
    return 0


def _count(written: str) -> int | None:
    """Parse a number of simulated GPUs; ``None`` for an empty text, as from an unset variable."""
    if not written:
        return None
    number = int(written) if written.isascii() and written.isdecimal() else -1
    if not 0 <= number <= MAX_SIMULATED_GPUS:
        raise argparse.ArgumentTypeError(f"give a number from 0 to {MAX_SIMULATED_GPUS}")
    return number


def _words(given: list[str]) -> list[str]:
    """Return what follows ``--``, which some versions of argparse leave in its place."""
    return given[1:] if given[:1] == ["--"] else given


def _in_this_folder(run: Callable[[Path], None]) -> Callable[[argparse.Namespace], None]:
    return lambda _: run(Path.cwd())


def _engine(arguments: argparse.Namespace) -> None:
    if arguments.stop:
        ran = engine.stop_engine(
            arguments.socket,
            keep_containers=arguments.keep_containers,
            purge=arguments.purge,
        )
        output.step(
            f"Stopped the Docker Engine at {arguments.socket}"
            if ran
            else f"No Docker Engine of gpudock runs at {arguments.socket}"
        )
        return
    found = engine.ensure_engine(arguments.socket, data_root=arguments.data_root)
    output.step(f"Docker Engine {found.version} answers at {found.socket}")


if __name__ == "__main__":
    sys.exit(main())
