"""The agent's command line, and its messages about wrong arguments."""

from __future__ import annotations

import os
import socket
import subprocess
import sys

import pytest

from unit.agent.program import TOKEN, running_agent

pytestmark = pytest.mark.integration


@pytest.mark.parametrize(
    ("arguments", "environment", "words"),
    [
        ((), {}, "token of at least 16"),
        ((), {"GPUDOCK_AGENT_TOKEN": "short"}, "token of at least 16"),
        ((), {"GPUDOCK_AGENT_TOKEN": "\u00e9" * 20}, "token of at least 16"),
        (("--token-file", "/nowhere"), {}, "cannot be read from /nowhere"),
        (("--listen", "8089"), {"GPUDOCK_AGENT_TOKEN": TOKEN}, "as in 0.0.0.0:8089"),
        (("--listen", "127.0.0.1:x"), {"GPUDOCK_AGENT_TOKEN": TOKEN}, "as in 0.0.0.0:8089"),
        (("--interval", "0"), {"GPUDOCK_AGENT_TOKEN": TOKEN}, "above 0 and at most 3600 s"),
        (("--interval", "inf"), {"GPUDOCK_AGENT_TOKEN": TOKEN}, "above 0 and at most 3600 s"),
        (("--stuck-after", "nan"), {"GPUDOCK_AGENT_TOKEN": TOKEN}, "above 0 and at most 3600 s"),
    ],
    ids=range(9),
)
def test_a_wrong_call_gets_one_sentence_and_no_trace(arguments, environment, words):
    done = run_agent(arguments, environment)
    assert done.returncode == 2
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert "short" not in done.stderr.replace("shortest", "")


def test_a_port_in_use_gets_one_sentence():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_agent(("--listen", f"127.0.0.1:{port}"), {"GPUDOCK_AGENT_TOKEN": TOKEN})
    assert done.returncode == 2
    assert f"cannot listen on 127.0.0.1:{port}" in done.stderr
    assert "Traceback" not in done.stderr


def run_agent(arguments, environment):
    return subprocess.run(
        [sys.executable, "-m", "gpudock.agent", *arguments],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_token_can_come_from_a_file(tmp_path):
    file = tmp_path / "token"
    file.write_text("another-token-for-tests\n")
    with running_agent(None, "--token-file", str(file)) as agent:
        assert agent.get("/v1/inventory", "another-token-for-tests")[0] == 200
        assert agent.get("/v1/inventory", TOKEN)[0] == 401


def test_in_a_pid_namespace_of_its_own_the_agent_does_not_vouch_for_processes():
    code = "from gpudock.agent.__main__ import sees_all_processes as s; print(s('auto'), s('yes'))"
    done = subprocess.run(
        ["unshare", "--pid", "--fork", sys.executable, "-c", code],
        env={"PATH": os.environ["PATH"], "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=False,
    )
    if "Operation not permitted" in done.stderr:
        pytest.skip("only root may make a PID namespace")
    assert done.stdout == "False True\n", done.stderr
