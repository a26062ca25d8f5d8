"""``make chaos``: an hour of faults at random, in a lab on the tests' engine that people use."""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

from chaos.invariants import Broken
from chaos.lab import ChaosLab
from chaos.run import Run


def main() -> int:
    """Run; 1 if an invariant did not hold."""
    arguments = _arguments()
    print(f"==> Chaos for {arguments.seconds:.0f} s with SEED={arguments.seed}", flush=True)
    with ChaosLab.used() as lab:
        run = Run(lab, arguments.seed, lambda line: print(line, flush=True))
        try:
            run.go(arguments.seconds)
        except (Broken, TimeoutError) as broken:
            print(f"==> Broken with SEED={arguments.seed}: {broken}", file=sys.stderr)
            for name, said in lab.logs():
                print(f"--- {name}\n{said}", file=sys.stderr)
            return 1
        finally:
            print(run.report.table())
            if arguments.report is not None:
                arguments.report.write_text(json.dumps(vars(run.report), indent=2) + "\n")
    print("==> Everything held: no GPU had two owners, and nothing was lost or left behind")
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument(
        "--seconds", type=float, default=3600, help="how long (default: %(default)s)"
    )
    parser.add_argument(
        "--seed",
        type=int,
        default=random.SystemRandom().randrange(10**6),
        help="what repeats a run",
    )
    parser.add_argument("--report", type=Path, help="a file for the figures, as JSON")
    return parser.parse_args()


if __name__ == "__main__":
    raise SystemExit(main())
