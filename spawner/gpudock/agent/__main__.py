"""``python -m gpudock.agent``: read the GPUs of this host and serve the readings."""

from __future__ import annotations

import argparse
import asyncio
import faulthandler
import logging
import os
import signal
import socket
import sys
import time
from pathlib import Path

import tornado.httpserver
import tornado.netutil

from gpudock.agent.reader import Reader
from gpudock.agent.sampler import Sampler
from gpudock.agent.server import Feed, make_application
from gpudock.agent.slice_nodes import SliceWatch
from gpudock_nvml.client import NVMLClient
from gpudock_nvml.pids import in_host_pid_namespace

log = logging.getLogger("gpudock.agent")

TOKEN_VARIABLE = "GPUDOCK_AGENT_TOKEN"  # noqa: S105 - the variable's name, not a token
HOST_VARIABLE = "GPUDOCK_AGENT_HOST"
_MIN_TOKEN_LENGTH = 16
# The exit status that asks for a restart (EX_TEMPFAIL of sysexits.h).
RESTART_STATUS = 75


class UsageError(Exception):
    """The program cannot start with these arguments; the message says why and what to do."""


def parse(arguments: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m gpudock.agent",
        description="Read the NVIDIA GPUs of this host and serve the readings over HTTP.",
        epilog=f"Without --token-file the token comes from {TOKEN_VARIABLE}.",
    )
    parser.add_argument(
        "--listen", default="127.0.0.1:8089", metavar="ADDRESS:PORT", help="default: %(default)s"
    )
    parser.add_argument(
        "--token-file", type=Path, metavar="FILE", help="file with the token that clients send"
    )
    parser.add_argument(
        "--host",
        default=os.environ.get(HOST_VARIABLE) or socket.gethostname(),
        metavar="NAME",
        help=f"name of this host for display (default: {HOST_VARIABLE}, or the system's name)",
    )
    parser.add_argument(
        "--interval",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="time between two readings (default: %(default)s)",
    )
    parser.add_argument(
        "--stuck-after",
        type=float,
        default=10.0,
        metavar="SECONDS",
        help="time after which an NVML call counts as hanging (default: %(default)s)",
    )
    parser.add_argument(
        "--restart-after",
        type=float,
        default=300.0,
        metavar="SECONDS",
        help="time without any reading after which the program ends with status "
        f"{RESTART_STATUS}: a restarted container gets its devices and the driver's library again; "
        "0 never ends (default: %(default)s)",
    )
    parser.add_argument(
        "--host-pids",
        choices=("auto", "yes", "no"),
        default="auto",
        help="whether this program shares the host's PID namespace and so sees the processes of "
        "all containers; otherwise processes are reported as unknown (default: %(default)s)",
    )
    return parser.parse_args(arguments)


def listening_sockets(listen: str) -> list[socket.socket]:
    """Open the sockets for ``ADDRESS:PORT``.

    Raises:
        UsageError: the address is malformed, not of this host, or in use.
    """
    address, _, port = listen.rpartition(":")
    if not address or not port.isdecimal() or int(port) > 65535:
        raise UsageError(f"--listen {listen}: give an address and a port, as in 0.0.0.0:8089.")
    try:
        return tornado.netutil.bind_sockets(int(port), address.strip("[]"))
    except OSError as error:
        raise UsageError(
            f"The agent cannot listen on {listen}: {error.strerror}. Choose another address with "
            "--listen, or stop what uses this one."
        ) from error


def read_token(file: Path | None, environment: dict[str, str]) -> str:
    """Return the token.

    Raises:
        UsageError: there is none, or it is too short to be a secret.
    """
    if file is None:
        source, token = TOKEN_VARIABLE, environment.get(TOKEN_VARIABLE, "")
    else:
        source = str(file)
        try:
            token = file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"The token cannot be read from {source}: {error}.") from error
    token = token.strip()
    if len(token) < _MIN_TOKEN_LENGTH or not (token.isascii() and token.isprintable()):
        raise UsageError(
            f"The agent needs a token of at least {_MIN_TOKEN_LENGTH} printable ASCII characters "
            f"in {source}; the hub sends the same one. Make one with `openssl rand -hex 32`."
        )
    return token


def sees_all_processes(choice: str) -> bool:
    """Return whether NVML shows this program the processes of every container."""
    return in_host_pid_namespace() if choice == "auto" else choice == "yes"


async def serve(options: argparse.Namespace, token: str, sockets: list[socket.socket]) -> int:
    """Read and serve until SIGTERM or SIGINT, and return the exit status."""
    complete = sees_all_processes(options.host_pids)
    if not complete:
        log.warning(
            "this program does not share the host's PID namespace, so the processes on the GPUs "
            "are reported as unknown; start its container with the host's PID namespace"
        )
    reader = Reader(NVMLClient(), options.host, sees_all_processes=complete)
    sampler = Sampler(
        reader, options.host, interval=options.interval, stuck_after=options.stuck_after
    )
    feed = Feed(sampler)
    server = tornado.httpserver.HTTPServer(make_application(feed, token), max_buffer_size=65536)
    server.add_sockets(sockets)
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    feed.start()
    log.info("listening on %s", ", ".join(_address(s) for s in sockets))
    status = 0
    slices = SliceWatch(time.monotonic)
    while not ended.is_set():
        try:
            async with asyncio.timeout(options.interval):
                await ended.wait()
        except TimeoutError:
            silence = sampler.silence()
            if 0 < options.restart_after < silence:
                status = RESTART_STATUS
                ended.set()
                log.error("No GPU could be read for %.0f s; ending, to be restarted.", silence)
            elif options.restart_after > 0 and slices.is_due():
                status = RESTART_STATUS
                ended.set()
                log.warning("There are new MIG slices; ending, to be restarted with their devices.")
    log.info("ending")
    server.stop()
    await feed.stop(2.0)
    await server.close_all_connections()
    return status


def _address(sock: socket.socket) -> str:
    address, port = sock.getsockname()[:2]
    return f"[{address}]:{port}" if ":" in address else f"{address}:{port}"


def main(arguments: list[str] | None = None) -> int:
    """Run the program and return its exit status."""
    options = parse(sys.argv[1:] if arguments is None else arguments)
    # A crash in the driver's library would end the program without a word.
    faulthandler.enable()
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    try:
        if not all(0 < seconds <= 3600 for seconds in (options.interval, options.stuck_after)):
            raise UsageError("--interval and --stuck-after must be above 0 and at most 3600 s.")
        if not 0 <= options.restart_after <= 86400:
            raise UsageError("--restart-after must be from 0 to 86400 s.")
        token = read_token(options.token_file, dict(os.environ))
        sockets = listening_sockets(options.listen)
    except UsageError as error:
        log.error("%s", error)
        return 2
    return asyncio.run(serve(options, token, sockets))


if __name__ == "__main__":
    sys.exit(main())
