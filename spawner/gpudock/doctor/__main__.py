"""``make doctor``: check this server and its lab, from outside the containers.

It runs ``gpudock doctor`` in the hub's container for the rest. It needs only the standard library.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from gpudock.config import extra_config
from gpudock.deploy import docker_api, output
from gpudock.deploy.engine import Engine, find_engine
from gpudock.deploy.tools import Tools, find_tools
from gpudock.deploy.up import Configuration, read_configuration
from gpudock.doctor.devices import ABOUT as DEVICES
from gpudock.doctor.devices import examine_driver
from gpudock.doctor.engine import (
    devices_by_uuid,
    examine_engine,
    examine_images,
    listed_devices,
)
from gpudock.doctor.extra_config import examine_files
from gpudock.doctor.finding import Finding, as_text, has_problems, problem, unknown
from gpudock.doctor.host import (
    Host,
    examine_environment,
    examine_folder,
    examine_host,
    examine_memory,
)

_MIB = 2**20
_EXEC_SECONDS = 60.0
IN_THE_HUB = ("gpudock", "--json", "doctor", "--lab-only")


def main() -> int:
    """Print the findings; return 1 if there is a problem, otherwise 0."""
    host = Host()
    findings = examine_host(host)
    try:
        configuration = read_configuration(Path.cwd(), os.environ)
    except output.ProblemError as error:
        findings.append(
            problem("settings", " ".join(str(error).splitlines()), "Fix it in .env and try again.")
        )
    else:
        findings += examine_environment(configuration.settings, configuration.environ)
        lab = _engine_and_lab(host, configuration)
        # The hub, where it runs, has looked at its configuration from inside.
        if not any(finding.about == extra_config.FOLDER for finding in lab):
            lab += examine_files(Path.cwd() / extra_config.FOLDER, configuration.settings.lab_logo)
        findings += lab
    sys.stdout.write(as_text(findings) + "\n")
    return 1 if has_problems(findings) else 0


def _engine_and_lab(host: Host, configuration: Configuration) -> list[Finding]:
    settings = configuration.settings
    try:
        engine = find_engine(settings.docker_socket)
    except output.ProblemError as error:
        return [problem("engine", str(error), "Fix that first; the other checks need the engine.")]
    if engine is None:
        return [
            problem(
                "engine",
                f"No Docker Engine answers at {settings.docker_socket}.",
                'Start it ("systemctl start docker"), or run "make up", which starts one.',
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
    # The engine may run in a virtual machine; its folder is not here then.
    if engine.data_root.exists():
        findings.append(examine_folder(engine.data_root))
    lab = _lab(engine, configuration)
    if host.has_gpus and not any(finding.about == DEVICES for finding in lab):
        # The hub compares them with the lab's list as well, but it does not run or lacks the agent.
        findings += examine_driver(listed_devices(info), host)
    return findings + lab


def _lab(engine: Engine, configuration: Configuration) -> list[Finding]:
    """Return the findings of ``gpudock doctor`` in the hub's container."""
    try:
        tools = find_tools(engine.socket, configuration.environ)
        hub = _container(tools, configuration.project)
        if hub is None:
            return [problem("lab", "The lab's hub is not running.", 'Run "make up".')]
        if (text := _last_words(tools, hub)) is not None:
            return [problem("lab", f"The lab's hub does not start: {text}", 'Then run "make up".')]
        done = tools.run("exec", hub, *IN_THE_HUB, timeout=_EXEC_SECONDS)
        return [Finding.of_document(document) for document in json.loads(done.stdout)]
    except output.ProblemError as error:
        return [unknown("lab", str(error))]
    except (docker_api.ApiError, subprocess.TimeoutExpired, ValueError, KeyError):
        return [
            unknown(
                "lab",
                "The hub's container did not answer the check.",
                'See its log with "make logs".',
            )
        ]


def _last_words(tools: Tools, hub: str) -> str | None:
    """Return why a hub that keeps restarting does not start; ``None`` if it runs, or gives none."""
    state = tools.run("inspect", "--format", "{{.State.Status}}", hub).stdout.strip()
    if state == "running":
        return None
    log = tools.run("logs", "--tail", "20", hub)
    sentences = [
        line.removeprefix("gpudock: ")
        for line in (log.stdout + log.stderr).splitlines()
        if line.startswith("gpudock: ")
    ]
    return " ".join(dict.fromkeys(sentences)) or None


def _container(tools: Tools, project: str) -> str | None:
    """Return the id of the hub's container; ``None`` if it is not running."""
    found = tools.run(
        "ps",
        "--quiet",
        "--filter",
        f"label=com.docker.compose.project={project}",
        "--filter",
        "label=com.docker.compose.service=hub",
        # The agent runs from the hub's image, and inherits the labels that Compose gave the image.
        "--filter",
        "label=com.docker.compose.oneoff=False",
    ).stdout.split()
    return found[0] if found else None


if __name__ == "__main__":
    sys.exit(main())
