"""``make doctor``: examine this server and the lab on it, from outside the containers.

What only the hub's container can see is asked there. Needs the standard library alone.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from gpudock.deploy import docker_api, output
from gpudock.deploy.engine import Engine, find_engine
from gpudock.deploy.tools import Tools, find_tools
from gpudock.deploy.up import Configuration, read_configuration
from gpudock.doctor.engine import devices_by_uuid, examine_engine, examine_images
from gpudock.doctor.finding import Finding, in_words, is_sick, ok, problem, unknown
from gpudock.doctor.host import Host, examine_folder, examine_host, examine_memory

_MIB = 2**20
_EXEC_SECONDS = 60.0
IN_THE_HUB = ("gpudock", "--json", "doctor", "--lab-only")


def main() -> int:
    """Print the findings; 1 if something does not work."""
    host = Host()
    findings = examine_host(host)
    try:
        configuration = read_configuration(Path.cwd(), os.environ)
    except output.ProblemError as error:
        findings.append(
            problem("settings", " ".join(str(error).splitlines()), "Mend it in .env and try again.")
        )
    else:
        findings.append(ok("settings", "All settings make sense."))
        findings += _engine_and_lab(host, configuration)
    sys.stdout.write(in_words(findings) + "\n")
    return 1 if is_sick(findings) else 0


def _engine_and_lab(host: Host, configuration: Configuration) -> list[Finding]:
    settings = configuration.settings
    try:
        engine = find_engine(settings.docker_socket)
    except output.ProblemError as error:
        return [problem("engine", str(error), "Mend that first; the rest needs the engine.")]
    if engine is None:
        return [
            problem(
                "engine",
                f"No Docker Engine answers at {settings.docker_socket}.",
                "Start it («systemctl start docker»), or run «make up», which brings one.",
            )
        ]
    info = engine.call("GET", "/info")
    findings = examine_engine(info, expects_gpus=host.has_gpus)
    findings += examine_images(
        engine.call("GET", "/images/json"), [image.name for image in settings.images]
    )
    gpus = len(devices_by_uuid(info))
    memory_mib = int(info.get("MemTotal", 0)) // _MIB
    limit = settings.memory_for(memory_mib, gpus)
    findings += examine_memory(memory_mib, gpus, limit, settings.shm_for(limit))
    # The engine may be a virtual machine, and its folder then not here.
    if engine.data_root.exists():
        findings.append(examine_folder(engine.data_root))
    return findings + _lab(engine, configuration)


def _lab(engine: Engine, configuration: Configuration) -> list[Finding]:
    """Ask the hub's container what it sees."""
    try:
        tools = find_tools(engine.socket, configuration.environ)
        hub = _container(tools, configuration.project)
        if hub is None:
            return [problem("lab", "The lab's hub does not run.", "Run «make up».")]
        done = tools.run("exec", "--user", "gpudock", hub, *IN_THE_HUB, timeout=_EXEC_SECONDS)
        return [Finding.of_document(document) for document in json.loads(done.stdout)]
    except output.ProblemError as error:
        return [unknown("lab", str(error))]
    except (docker_api.ApiError, subprocess.TimeoutExpired, ValueError, KeyError):
        return [
            unknown(
                "lab",
                "The hub's container did not say how the lab is.",
                "«make logs» shows what it says.",
            )
        ]


def _container(tools: Tools, project: str) -> str | None:
    """Return the id of the container of the lab's hub; ``None`` where it does not run."""
    found = tools.run(
        "ps",
        "--quiet",
        "--filter",
        f"label=com.docker.compose.project={project}",
        "--filter",
        "label=com.docker.compose.service=hub",
    ).stdout.split()
    return found[0] if found else None


if __name__ == "__main__":
    sys.exit(main())
