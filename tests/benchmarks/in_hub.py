"""Run a benchmark in the hub's image: ``python -m benchmarks.in_hub decision --check``.

What decides in a lab is that image's Python and the gpudock in it, and how fast Python is depends
on how it was built. ``make test-engine`` brings the image up to date.
"""

from __future__ import annotations

import sys

import docker

from benchmarks.labs import FILES, SOCKET, docker_client
from gpudock import __version__
from gpudock.deploy import output
from gpudock.deploy.engine import ensure_engine

HUB_IMAGE = f"gpudock/hub:{__version__}"


def main(arguments: list[str]) -> int:
    """Run the benchmark named first with the other arguments; return its exit status."""
    if not arguments or not (FILES / f"{arguments[0]}.py").is_file():
        output.problem("Name a benchmark, for example: python -m benchmarks.in_hub decision")
        return 2
    name, *options = arguments
    try:
        engine = ensure_engine(SOCKET)
    except output.ProblemError as error:
        output.problem(str(error))
        return 1
    with docker_client(engine) as client:
        try:
            container = client.containers.create(
                HUB_IMAGE,
                ["-m", f"benchmarks.{name}", *options],
                entrypoint="python3",
                environment={"PYTHONPATH": "/bench"},
                network_mode="none",
                volumes={str(FILES): {"bind": "/bench/benchmarks", "mode": "ro"}},
            )
        except docker.errors.ImageNotFound:
            output.problem(f"There is no image {HUB_IMAGE} yet. Make it with: make test-engine")
            return 1
        try:
            container.start()
            for line in container.logs(stream=True, follow=True):
                sys.stdout.write(line.decode("utf-8", "replace"))
                sys.stdout.flush()
            return int(container.wait()["StatusCode"])
        finally:
            container.remove(force=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
