"""``make bench``: click to ready on gpudock, compared with stock DockerSpawner in the same run.

Both labs run on one engine, from one hub image and one proxy image, and take turns, so that what
else the machine does meets both alike. Ratios mean something; seconds are this machine's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import sys
import time
from pathlib import Path

import httpx

from benchmarks.clicks import Clicker, ClickError
from benchmarks.labs import SOCKET, Lab, build_stock_image, give_gpus
from benchmarks.report import Figures, document, table, too_slow
from benchmarks.watch import HubWatch
from gpudock.deploy import output
from gpudock.deploy.engine import ensure_engine


def main() -> int:
    """Run the benchmark; 1 if something failed or, with ``--check``, if a bound does not hold."""
    arguments = _arguments()
    try:
        engine = ensure_engine(arguments.socket)
        found: list[Figures] = []
        build_stock_image(engine)
        give_gpus(engine, arguments.users)
        labs = [
            Lab("stock", engine),
            Lab("gpudock", engine, {"gpus": 1}),
        ]
        try:
            for lab in labs:
                lab.down()
                lab.up()
            found = asyncio.run(_measure(labs, arguments))
        except* (ClickError, httpx.HTTPError) as errors:
            for error in errors.exceptions:
                output.problem(repr(error))
            for lab in labs:
                output.detail(f"The end of the log of the hub of {lab.name}:\n{lab.log()}")
        finally:
            for lab in labs:
                lab.down()
            give_gpus(engine, 0)
    except output.ProblemError as error:
        output.problem(str(error))
        return 1
    if not found:
        return 1
    stock, ours = found
    print(table(stock, ours, arguments.users))
    if arguments.json:
        machine = {
            "cpus": os.cpu_count(),
            "kernel": platform.release(),
            "engine": engine.version,
            "load_average": os.getloadavg(),
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        }
        everything = document(stock, ours, arguments.users, machine)
        arguments.json.write_text(json.dumps(everything, indent=1) + "\n")
    slow = too_slow(stock, ours, arguments.users)
    for sentence in slow:
        output.problem(sentence)
    return 1 if slow and arguments.check else 0


async def _measure(labs: list[Lab], arguments: argparse.Namespace) -> list[Figures]:
    """Measure the labs in turn, step by step."""
    found = [Figures() for _ in labs]
    names = [f"bench{number}" for number in range(arguments.users)]
    async with Clicker(labs[0]) as first, Clicker(labs[1]) as second:
        clickers = [first, second]
        output.step("One burst that is not counted, for the volumes and the disk cache")
        for clicker in clickers:
            await clicker.add_users(names)
            await _burst(clicker, names)
        for turn in range(arguments.clicks):
            for clicker, figures in zip(clickers, found, strict=True):
                figures.clicks_s.append(await clicker.click(names[0]))
                await clicker.stop(names[0])
            output.detail(_turn(f"click {turn + 1}", [figures.clicks_s for figures in found]))
        for turn in range(arguments.bursts):
            for clicker, figures in zip(clickers, found, strict=True):
                async with HubWatch(clicker.lab) as watch:
                    figures.bursts_s.append(await _burst(clicker, names))
                assert watch.load is not None
                figures.cpu_s.append(watch.load.cpu_s)
                figures.memory_mib.append(watch.load.memory_mib)
                figures.delays_s.extend(watch.load.delays_s)
            output.detail(_turn(f"burst {turn + 1}", [figures.bursts_s for figures in found]))
    return found


async def _burst(clicker: Clicker, names: list[str]) -> float:
    """Click for all users at once; return the seconds until the last has a server."""
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(clicker.click(name))
    seconds = time.perf_counter() - begun
    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(clicker.stop(name))
    return seconds


def _turn(what: str, series: list[list[float]]) -> str:
    stock, ours = (values[-1] for values in series)
    return f"{what}: stock {stock:.2f} s, gpudock {ours:.2f} s, ratio {ours / stock:.2f}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument(
        "--socket",
        type=Path,
        default=SOCKET,
        help="the Docker Engine to run on; the lab's images must be there",
    )
    parser.add_argument("--clicks", type=int, default=15, help="starts of one user on each lab")
    parser.add_argument("--bursts", type=int, default=3, help="bursts on each lab")
    parser.add_argument("--users", type=int, default=12, help="users in a burst")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything measured")
    parser.add_argument("--check", action="store_true", help="fail if a bound does not hold")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
