"""``gpudock doctor``: what is wrong with the lab, and how to fix it.

In the hub's container it checks engine and lab. ``make doctor`` on the server itself also checks
driver and toolkit, and runs this command for the lab.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gpudock.cli.connection import Connection, connect
from gpudock.cli.output import print_json
from gpudock.config import extra_config
from gpudock.config.settings import Settings, SettingsError
from gpudock.deploy import docker_api
from gpudock.deploy.up import PASSWORD_FILE
from gpudock.doctor.devices import ABOUT as DEVICES
from gpudock.doctor.engine import examine_engine, examine_images, listed_devices
from gpudock.doctor.extra_config import examine_loaded_files
from gpudock.doctor.finding import Finding, as_text, has_problems, ok, problem, unknown
from gpudock.doctor.host import Host, examine_environment, examine_folder
from gpudock.doctor.lab import (
    examine_devices,
    examine_inventory,
    examine_one_time_password,
    examine_settings,
    examine_work,
)
from gpudock.store import StoreError

if TYPE_CHECKING:
    import argparse

    from gpudock.broker import GPUStatus
    from gpudock.model import InventoryReading


def add_to(nouns: Any) -> None:
    """Add the command to the parser of nouns."""
    parser = nouns.add_parser("doctor", help="show what is wrong, and how to fix it")
    parser.add_argument("--lab-only", action="store_true", help="skip the checks of the engine")
    parser.set_defaults(run=_doctor)


async def _doctor(options: argparse.Namespace) -> int:
    findings = await examine(lab_only=options.lab_only)
    if options.json:
        print_json([finding.document() for finding in findings])
    else:
        print(as_text(findings))
    return 1 if has_problems(findings) else 0


async def examine(*, lab_only: bool) -> list[Finding]:
    """Return all findings of the hub's container, whatever fails."""
    try:
        settings = Settings.from_environ(os.environ)
    except SettingsError as error:
        return [
            problem("settings", text, 'Fix it in .env and run "make up".')
            for text in error.problems
        ]
    findings = [] if lab_only else _engine(settings)
    if not lab_only:  # "make doctor" has these
        findings += examine_environment(settings, os.environ)
    findings += examine_settings(settings)
    findings += _files(settings, lab_only=lab_only)
    try:
        async with connect() as lab:
            findings += _lab(lab)
    except StoreError as error:
        findings.append(
            problem(
                "database",
                str(error),
                "No GPU is granted until it works again; running sessions continue.",
            )
        )
    return findings


def _files(settings: Settings, *, lab_only: bool) -> list[Finding]:
    findings = examine_one_time_password(exists=Path(PASSWORD_FILE).exists())
    findings += examine_loaded_files(
        extra_config.IN_THE_HUB, extra_config.RECORD, settings.lab_logo
    )
    return findings if lab_only else [*findings, examine_folder(Path.cwd())]


def _lab(lab: Connection) -> list[Finding]:
    gpus, reading = lab.broker.gpus.all(), lab.inventory.reading()
    findings = [ok("database", "The database answers.")]
    findings += examine_inventory(reading, gpus)
    findings += _devices(lab.settings, reading, gpus)
    findings += examine_work(
        lab.broker.leases.live(), lab.broker.queue.waiting(), gpus, time.time()
    )
    return findings


def _devices(settings: Settings, reading: InventoryReading, gpus: list[GPUStatus]) -> list[Finding]:
    try:
        info = docker_api.call(settings.docker_socket, "GET", "/info", timeout=60.0)
    except (OSError, docker_api.ApiError):
        findings = examine_devices(None, reading, gpus)
        if findings:
            text = "The engine was not asked, so its CDI specification was not compared."
            findings.append(unknown(DEVICES, text))
        return findings
    return examine_devices(listed_devices(info), reading, gpus)


def _engine(settings: Settings) -> list[Finding]:
    try:
        info = docker_api.call(settings.docker_socket, "GET", "/info", timeout=60.0)
        images = docker_api.call(settings.docker_socket, "GET", "/images/json")
    except PermissionError:
        return [
            unknown(
                "engine",
                f"This user may not use {settings.docker_socket}, so the engine was not asked.",
                'Run it as root in the hub\'s container: "docker compose exec hub gpudock doctor".',
            )
        ]
    except (OSError, docker_api.ApiError) as error:
        return [
            problem(
                "engine",
                f"The Docker Engine does not answer: {error}",
                'Start it on the server ("systemctl start docker"), then run "make up".',
            )
        ]
    return [
        *examine_engine(info, expects_gpus=Host().has_gpus),
        *examine_images(images, [image.name for image in settings.images]),
    ]
