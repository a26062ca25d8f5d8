"""The images hold what they say: each image's own tests, run inside a container of it."""

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gpudock.deploy.engine import Engine
from gpudock.deploy.tools import Tools
from harness.images import ROOT, reference

pytestmark = pytest.mark.docker

IMAGES = ROOT / "images"
INTERPRETERS = {".py": ["python3", "/images/tests/run.py"], ".sh": ["sh"]}


def lineage(images: Path, name: str) -> list[str]:
    """An image's folder and those of the images it is made from: it passes their tests too."""
    found = [name]
    stages = re.findall(
        r"^FROM (?:gpudock/)([\w-]+)", (images / name / "Dockerfile").read_text(), re.M
    )
    for parent in stages:
        found += lineage(images, parent)
    return found


def cases() -> list[tuple[str, Path]]:
    names = sorted(path.parent.name for path in IMAGES.glob("*/Dockerfile"))
    return [
        (name, test.relative_to(IMAGES))
        for name in names
        for ancestor in lineage(IMAGES, name)
        for test in sorted((IMAGES / ancestor / "tests").glob("test_*"))
    ]


@pytest.fixture(scope="module")
def containers(engine: Engine, tools: Tools) -> Iterator[dict[str, str]]:
    """One idle container for each image, hardened as users' containers are."""
    started: dict[str, str] = {}
    for name in {name for name, _ in cases()}:
        image = reference(name)
        assert engine.has_image(image), f"{image} is not built: run `make test-engine`"
        labels = json.loads(
            tools.run("image", "inspect", "--format", "{{json .Config.Labels}}", image).stdout
        )
        done = tools.run(
            "run", "--detach", "--rm", "--network=none", "--cap-drop=ALL",
            "--security-opt=no-new-privileges", f"--volume={IMAGES}:/images:ro",
            f"--env=IMAGE_LABELS={json.dumps(labels)}", "--entrypoint=sleep", image, "infinity",
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        started[name] = done.stdout.strip()
    yield started
    tools.run("rm", "--force", "--volumes", *started.values())


@pytest.mark.parametrize(("name", "test"), cases(), ids=str)
def test_the_image_passes(name: str, test: Path, containers: dict[str, str], tools: Tools):
    command = [*INTERPRETERS[test.suffix], f"/images/{test}"]
    done = tools.run("exec", containers[name], *command, timeout=180)
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"


def test_every_image_has_tests_of_its_own():
    for dockerfile in IMAGES.glob("*/Dockerfile"):
        assert list((dockerfile.parent / "tests").glob("test_*")), dockerfile


def test_a_child_image_inherits_its_parents_tests(tmp_path):
    for name, first in {"parent": "FROM debian", "child": "FROM gpudock/parent:v1"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(f"{first}\n")
    assert lineage(tmp_path, "child") == ["child", "parent"]


def test_the_hub_is_an_unprivileged_user_with_nothing_to_regain_rights_by(
    tools: Tools, engine: Engine, tmp_path: Path
):
    token = tmp_path / "proxy-token"
    token.write_text("a secret that only the proxy and its group may read")
    token.chmod(0o640)
    os.chown(token, 901, 900)
    started = tools.run(
        "run", "--rm", "--network=none", "--cap-drop=ALL", "--cap-add=SETUID", "--cap-add=SETGID",
        "--cap-add=SETPCAP", f"--volume={engine.socket}:/var/run/docker.sock",
        f"--volume={token}:/secret/proxy-token:ro", reference("hub"),
        "sh", "-c", "id -u; id -G; grep -E '^(Cap|NoNew)' /proc/self/status", timeout=90,
    )  # fmt: skip
    assert started.returncode == 0, started
    uid, groups, *status = started.stdout.splitlines()
    assert uid == "1000", started
    assert set(groups.split()) == {"1000", "900", str(engine.socket.stat().st_gid)}
    values = dict(line.split(":\t") for line in status)
    assert values.pop("NoNewPrivs") == "1"
    assert {int(value, 16) for value in values.values()} == {0}
