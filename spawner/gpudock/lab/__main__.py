"""``python -m gpudock.lab``: the commands behind the Makefile."""

import argparse
import sys
from pathlib import Path

from gpudock.lab import engine, say
from gpudock.lab.engine_config import DEFAULT_SOCKET


def main() -> int:
    """Run one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="gpudock.lab", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)

    own = commands.add_parser("engine", help="start or stop a Docker Engine of its own")
    own.add_argument("--socket", type=Path, default=DEFAULT_SOCKET)
    own.add_argument("--data-root", type=Path)
    own.add_argument("--stop", action="store_true", help="stop it, and its containers")
    own.add_argument("--keep-containers", action="store_true", help="with --stop: leave them")
    own.add_argument("--purge", action="store_true", help="with --stop: delete all its data")
    own.set_defaults(run=_engine)

    arguments = parser.parse_args()
    try:
        arguments.run(arguments)
    except say.ProblemError as error:
        say.problem(str(error))
        return 1
    return 0


def _engine(arguments: argparse.Namespace) -> None:
    if arguments.stop:
        engine.stop_engine(
            arguments.socket,
            keep_containers=arguments.keep_containers,
            purge=arguments.purge,
        )
        say.step(f"No engine of ours runs at {arguments.socket}")
        return
    found = engine.ensure_engine(arguments.socket, data_root=arguments.data_root)
    say.step(f"Docker Engine {found.version} answers at {found.socket}")


if __name__ == "__main__":
    sys.exit(main())
