"""``python -m simulator``: installs simulated GPUs, shows and changes them, removes them."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from simulator.errors import SimulatorError
from simulator.format import read_field
from simulator.install import DEFAULT_MODEL, install, uninstall
from simulator.models import MODELS
from simulator.state import Simulator


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; 1 and a sentence on standard error where it cannot be done."""
    options = _parser().parse_args(arguments)
    try:
        options.command(options)
    except (SimulatorError, OSError) as error:
        print(f"simulator: {error}", file=sys.stderr)
        return 1
    return 0


def _install(options: argparse.Namespace) -> None:
    done = install(
        options.prefix,
        options.cdi_dir,
        options.gpus,
        options.model,
        nvidia_smi=options.nvidia_smi,
        lively=not options.idle,
    )
    print("Installed." if done.changed else "Nothing to change.", f"CDI: {done.specification}")
    _print_gpus(done.simulator)


def _set(options: argparse.Namespace) -> None:
    changes = {}
    for change in options.changes:
        name, equals, text = change.partition("=")
        if not equals:
            raise SimulatorError(
                f"{change!r} is not a change: write field=value, such as utilization=87."
            )
        try:
            changes[name] = read_field(name, text)
        except ValueError:
            raise SimulatorError(f"{text!r} is not a value for {name}.") from None
    key = int(options.gpu) if options.gpu.isdecimal() else options.gpu
    Simulator(options.prefix / "state").update(key, **changes)


def _show(options: argparse.Namespace) -> None:
    _print_gpus(Simulator(options.prefix / "state"))


def _uninstall(options: argparse.Namespace) -> None:
    uninstall(options.prefix, options.cdi_dir)


def _print_gpus(simulator: Simulator) -> None:
    for gpu in simulator.gpus:
        fault = f", fault: {gpu.fault}" if gpu.fault else ""
        print(f"GPU {gpu.index}: {gpu.name} (UUID: {gpu.uuid}){fault}")
        for number, piece in enumerate(gpu.slices):
            print(f"  MIG {piece.profile} {gpu.index}:{number} (UUID: {piece.uuid})")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="simulator", description="Simulated NVIDIA GPUs.")
    commands = parser.add_subparsers(required=True)

    def command(name: str, run: object, about: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=about, description=about)
        added.set_defaults(command=run)
        added.add_argument(
            "--prefix", type=Path, required=True, help="where library, nodes and state lie"
        )
        return added

    adding = command("install", _install, "Put simulated GPUs on this host (as root).")
    adding.add_argument(
        "--cdi-dir", type=Path, required=True, help="the engine's directory of CDI specifications"
    )
    adding.add_argument("--gpus", type=int, default=4, help="how many (4)")
    adding.add_argument(
        "--model", action="append", default=[], metavar="NAME",
        help=f"given out in turn: {', '.join(MODELS)} ({DEFAULT_MODEL})",
    )  # fmt: skip
    adding.add_argument(
        "--nvidia-smi", type=Path, metavar="PATH", help="NVIDIA's tool, to offer in containers too"
    )
    adding.add_argument(
        "--idle", action="store_true", help="steady readings of idle GPUs instead of lively ones"
    )

    setting = command("set", _set, "Change readings of a GPU or a MIG slice.")
    setting.add_argument("gpu", help="its index or UUID")
    setting.add_argument(
        "changes", nargs="+", metavar="field=value", help="such as utilization=87 or fault=lost"
    )

    command("show", _show, "List the simulated GPUs.")

    removing = command("uninstall", _uninstall, "Remove them all.")
    removing.add_argument(
        "--cdi-dir", type=Path, required=True, help="the engine's directory of CDI specifications"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
