"""Checks of the lab's own configuration, the files in ``jupyterhub_config.d``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gpudock.config.extra_config import FOLDER, HUB_ID, Record, changed_since, examine
from gpudock.doctor.finding import Finding, hint, ok, problem

if TYPE_CHECKING:
    from pathlib import Path


def examine_files(folder: Path, logo: str | None = None) -> list[Finding]:
    """Check from outside the hub's container whether the hub can load the files of the folder.

    Args:
        folder: the folder ``jupyterhub_config.d``.
        logo: the name of the lab's logo, which is in the folder as well.
    """
    return _findings(folder, HUB_ID, logo)


def examine_loaded_files(folder: Path, record: Path, logo: str | None = None) -> list[Finding]:
    """Check, as the hub's user, the files that the hub loads, and whether it has loaded them.

    Args:
        folder: the folder ``jupyterhub_config.d``.
        record: what the hub's last start loaded.
        logo: the name of the lab's logo, which is in the folder as well.
    """
    findings = _findings(folder, None, logo)
    loaded = Record.read(record)
    if loaded is None:
        return findings
    known = {finding.text for finding in findings}
    findings += [hint(FOLDER, text, "") for text in loaded.warnings if text not in known]
    changed = changed_since(loaded, folder)
    if changed:
        findings.append(
            hint(
                FOLDER,
                f"Changed since the hub started, and not loaded yet: {', '.join(changed)}.",
                'Run "make up", or "docker compose restart hub".',
            )
        )
    elif loaded.files and not findings:
        findings.append(ok(FOLDER, f"Loaded: {', '.join(loaded.files)}."))
    return findings


def _findings(folder: Path, reader: int | None, logo: str | None) -> list[Finding]:
    return [
        problem(FOLDER, complaint.text, 'Then run "make up".')
        if complaint.fatal
        else hint(FOLDER, complaint.text, "")
        for complaint in examine(folder, reader, logo)
    ]
