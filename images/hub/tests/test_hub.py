"""What the hub's image holds, and what its programs may do."""

import importlib
import json
import os
import stat
import sys
from importlib import metadata
from pathlib import Path


def test_the_hub_and_all_that_it_needs_can_be_imported():
    for name in ("gpudock", "jupyterhub", "nativeauthenticator", "dockerspawner", "psycopg"):
        importlib.import_module(name)


def test_every_requirement_is_met():
    from packaging.requirements import Requirement

    for distribution in metadata.distributions():
        for line in distribution.requires or ():
            requirement = Requirement(line)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                installed = metadata.version(requirement.name)
                assert requirement.specifier.contains(installed, prereleases=True), line


def test_the_labels_tell_the_truth():
    labels = json.loads(os.environ["IMAGE_LABELS"])
    assert labels["gpudock.versions.jupyterhub"] == metadata.version("jupyterhub")
    assert labels["gpudock.versions.python"] == f"{sys.version_info.major}.{sys.version_info.minor}"


def test_no_program_lends_the_rights_of_another_user():
    for path in Path("/usr").rglob("*"):
        mode = path.lstat().st_mode
        assert not (stat.S_ISREG(mode) and mode & (stat.S_ISUID | stat.S_ISGID)), path
