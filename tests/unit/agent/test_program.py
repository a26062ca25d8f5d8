"""The agent as it runs: over the simulated NVML, in a process of its own."""

from __future__ import annotations

import json
import signal
import time
from http.client import HTTPConnection

import pytest

from simulator import Gpu, Process, System, read_calls
from unit.agent.program import TOKEN, Agent, SimulatedHost, running_agent, wait_until

pytestmark = pytest.mark.integration


def device(inventory, uuid):
    return next(d for d in inventory["devices"] if d["uuid"] == uuid)


def test_every_value_reaches_the_document_in_its_unit(tmp_path):
    gpu = Gpu.of_model(
        "A100-SXM4-40GB",
        utilization=87,
        memory_used_mib=12345,
        temperature=63,
        power=251.5,
        power_limit=275,
        processes=(Process(4711, 12000, "python3"), Process(815, None, "viewer", "graphics")),
    )
    with running_agent(SimulatedHost(tmp_path, [gpu])) as agent:
        now = agent.first_reading()
    assert now["version"] == 1
    assert now["host"] == "node1"
    assert (now["driver_version"], now["cuda_version"]) == ("550.163.01", "12.4")
    assert abs(now["taken_at"] - time.time()) < 60
    assert now["problem"] is None
    assert now["devices"] == [
        {
            "uuid": gpu.uuid,
            "index": 0,
            "model": "NVIDIA A100-SXM4-40GB",
            "memory_mib": 40960,
            "parent_uuid": None,
            "mig_profile": None,
            "mig_enabled": False,
            "fault": None,
            "lost": False,
            "fault_may_pass": False,
            "minor": 0,
            "mig_number": None,
            "simulated": False,
            "telemetry": {
                "utilization_percent": 87,
                "memory_used_mib": 12345,
                "temperature_c": 63,
                "power_w": 251.5,
                "power_limit_w": 275.0,
                "processes": [
                    {"pid": 815, "memory_mib": None, "name": "viewer", "computes": False},
                    {"pid": 4711, "memory_mib": 12000, "name": "python3", "computes": True},
                ],
            },
        }
    ]


@pytest.mark.parametrize("count", [0, 1, 16])
def test_any_number_of_gpus_is_reported_in_order(tmp_path, count):
    models = ["A100-SXM4-40GB", "RTX 4090", "Tesla T4"]
    gpus = [Gpu.of_model(models[number % 3], number) for number in range(count)]
    with running_agent(SimulatedHost(tmp_path, gpus)) as agent:
        now = agent.first_reading()
    assert [d["uuid"] for d in now["devices"]] == [gpu.uuid for gpu in gpus]
    assert [d["fault"] for d in now["devices"]] == [None] * count
    assert now["problem"] is None


def test_what_a_model_does_not_report_is_null_and_no_fault(tmp_path):
    gpu = Gpu.of_model("RTX 4090", temperature=None, power=None, power_limit=None, utilization=None)
    with running_agent(SimulatedHost(tmp_path, [gpu])) as agent:
        found = device(agent.first_reading(), gpu.uuid)
    for name in ("temperature_c", "power_w", "power_limit_w", "utilization_percent"):
        assert found["telemetry"][name] is None
    assert found["telemetry"]["memory_used_mib"] == 0
    assert found["fault"] is None


@pytest.mark.parametrize(
    ("changes", "lost", "words", "may_pass"),
    [
        ({"fault": "lost"}, True, "fell off the bus", False),
        ({"fault": "unknown"}, False, "999", True),
        ({"fault": "reset_required"}, False, "asks for a reset", False),
        ({"ecc_uncorrected": 2}, False, "2 memory errors", False),
        ({"remapped_failure": True}, False, "no spare ones", False),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else None,
)
def test_a_fault_is_reported_for_its_gpu_alone_and_is_gone_when_it_is_fixed(
    tmp_path, changes, lost, words, may_pass
):
    ill, well = Gpu.of_model("A100-SXM4-40GB", 0), Gpu.of_model("A100-SXM4-40GB", 1)
    host = SimulatedHost(tmp_path, [ill, well])
    with running_agent(host, interval=0.02) as agent:
        agent.first_reading()
        host.simulator.update(ill.uuid, **changes)
        now = agent.wait_for(lambda now: device(now, ill.uuid)["fault"], "the fault to be reported")
        assert words in device(now, ill.uuid)["fault"]
        assert device(now, ill.uuid)["lost"] is lost
        assert device(now, ill.uuid)["fault_may_pass"] is may_pass
        assert device(now, well.uuid)["fault"] is None
        assert now["problem"] is None
        host.simulator.update(ill.uuid, **{name: getattr(ill, name) for name in changes})
        now = agent.wait_for(lambda now: not device(now, ill.uuid)["fault"], "the fault to be over")
        assert device(now, ill.uuid)["lost"] is False
        assert device(now, ill.uuid)["telemetry"]["temperature_c"] == 34


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("driver_not_loaded", "not loaded"),
        ("version_mismatch", "different versions"),
        ("unknown", "999"),
    ],
)
def test_a_driver_that_fails_is_a_problem_until_it_works(tmp_path, fault, words):
    host = SimulatedHost(tmp_path, [Gpu.of_model("L4")], System(fault=fault))
    with running_agent(host, interval=0.02) as agent:
        now = agent.wait_for(lambda now: words in (now["problem"] or ""), "the problem")
        assert now["devices"] == []
        assert agent.get("/healthz", None)[0] == 200
        host.simulator.update_system(fault=None)
        agent.wait_for(lambda now: now["problem"] is None and now["devices"], "the GPU")
        host.simulator.update_system(fault=fault)
        now = agent.wait_for(lambda now: words in (now["problem"] or ""), "the problem again")
        assert len(now["devices"]) == 1, "the last known device is gone"


def test_a_host_without_a_driver_reports_what_to_install():
    with running_agent(None) as agent:
        now = agent.wait_for(lambda now: "library" in now["problem"], "the problem")
    assert now["devices"] == []
    assert now["age"] is None
    assert "Install the NVIDIA driver" in now["problem"]


def test_slices_are_devices_of_their_own(tmp_path):
    gpu = Gpu.of_model("A100-SXM4-40GB", 0, slices=["1g.5gb", "2g.10gb"])
    one, two = gpu.slices
    host = SimulatedHost(tmp_path, [gpu, Gpu.of_model("L4", 1)])
    with running_agent(host) as agent:
        now = agent.wait_for(lambda now: len(now["devices"]) == 4, "two GPUs and two slices")
        whole = device(now, gpu.uuid)
        assert whole["mig_enabled"]
        assert whole["telemetry"]["processes"] is None
        assert (whole["minor"], whole["mig_number"]) == (0, None)
        for number, (piece, profile) in enumerate(((one, "1g.5gb"), (two, "2g.10gb"))):
            found = device(now, piece.uuid)
            assert (found["minor"], found["mig_number"]) == (0, number)
            assert found["parent_uuid"] == gpu.uuid
            assert found["mig_profile"] == profile
            assert found["model"] == f"NVIDIA A100-SXM4-40GB MIG {profile}"
            assert found["memory_mib"] == piece.memory_total_mib
            assert found["mig_enabled"] is False
        host.simulator.update(
            one.uuid, processes=(Process(4711, 100, "python3"),), memory_used_mib=100
        )
        now = agent.wait_for(
            lambda now: device(now, one.uuid)["telemetry"]["processes"], "the slice's process"
        )
        assert device(now, one.uuid)["telemetry"]["memory_used_mib"] == 100
        assert device(now, two.uuid)["telemetry"]["processes"] == []
        host.simulator.update(gpu.uuid, mig=False, slices=())
        now = agent.wait_for(lambda now: len(now["devices"]) == 2, "the slices to be gone")
        assert device(now, gpu.uuid)["mig_enabled"] is False
        host.simulator.update(gpu.uuid, mig=True)
        now = agent.wait_for(lambda now: device(now, gpu.uuid)["mig_enabled"], "MIG mode")
        assert len(now["devices"]) == 2, "without slices"
        host.simulator.update(gpu.uuid, slices=gpu.slices)
        agent.wait_for(lambda now: len(now["devices"]) == 4, "the slices to be back")


def test_slow_calls_on_sixteen_gpus_delay_readings_and_nothing_else(tmp_path):
    gpus = [Gpu.of_model("A100-SXM4-40GB", number) for number in range(16)]
    host = SimulatedHost(tmp_path, gpus, System(slow={"*": 20}))
    with running_agent(host, "--stuck-after", "2") as agent:
        slowest, asked, begun = 0.0, 0, time.monotonic()
        while agent.inventory()["age"] is None:
            started = time.monotonic()
            assert agent.get("/healthz", None) == (200, b'{"status": "ok"}')
            slowest, asked = max(slowest, time.monotonic() - started), asked + 1
        assert asked > 5, "the round was over before anything could be asked meanwhile"
        # A response that waited for the calls would have taken the rest of the round.
        assert slowest < (time.monotonic() - begun) / 2
        now = agent.inventory()
        assert len(now["devices"]) == 16
        assert now["problem"] is None


def test_a_driver_that_hangs_is_noticed_and_the_agent_keeps_responding(tmp_path):
    host = SimulatedHost(tmp_path, [Gpu.of_model("L4")])
    with running_agent(host, "--stuck-after", "0.3") as agent:
        before = agent.first_reading()
        host.simulator.update_system(hang="all")
        now = agent.wait_for(lambda now: now["problem"], "the hang to be noticed")
        assert "has not answered a call (nvml" in now["problem"]
        assert now["devices"] == before["devices"]
        assert agent.get("/healthz", None)[0] == 503
        assert b"gpudock_agent_problem 1.0" in agent.get("/metrics")[1]
        waiting = agent.inventory(f"?after={now['cursor']}&wait=0.1")
        assert waiting["cursor"] == now["cursor"], "the same hang is no news"
        host.simulator.update_system(hang=None)
        agent.wait_for(lambda now: now["problem"] is None, "the hang to be over")
        assert agent.get("/healthz", None)[0] == 200


def test_a_driver_that_hangs_does_not_hold_the_agent_up_when_it_is_to_end(tmp_path):
    host = SimulatedHost(tmp_path, [Gpu.of_model("L4")], System(hang="all"))
    with running_agent(host, "--stuck-after", "0.3") as agent:
        agent.wait_for(lambda now: "not answered a call" in now["problem"], "the hang")
        assert agent.end() == 0


@pytest.mark.parametrize("trouble", [{"fault": "version_mismatch"}, {"hang": "all"}])
def test_an_agent_that_reads_nothing_for_long_ends_to_be_restarted(tmp_path, trouble):
    host = SimulatedHost(tmp_path, [Gpu.of_model("L4")])
    with running_agent(host, "--restart-after", "1") as agent:
        agent.first_reading()
        host.simulator.update_system(**trouble)
        assert agent.process.wait(20) == 75
        wait_until(lambda: "to be restarted" in agent.log, "the reason in the log")


def test_a_crash_in_the_drivers_library_leaves_its_place_in_the_log(tmp_path):
    """Without that, nobody knows which call of the library ends the agent again and again."""
    with running_agent(SimulatedHost(tmp_path, [Gpu.of_model("L4")])) as agent:
        agent.first_reading()
        agent.process.send_signal(signal.SIGSEGV)
        assert agent.process.wait(20) == -signal.SIGSEGV
        wait_until(lambda: "Fatal Python error: Segmentation fault" in agent.log, "the crash")
        wait_until(lambda: "gpudock/agent/__main__.py" in agent.log, "where it was")


def test_an_agent_that_may_not_give_up_goes_on(tmp_path):
    host = SimulatedHost(tmp_path, [Gpu.of_model("L4")], System(fault="driver_not_loaded"))
    with running_agent(host, "--restart-after", "0") as agent:
        cursor = agent.inventory()["cursor"]
        for _ in range(15):
            cursor = agent.inventory(f"?after={cursor}&wait=20")["cursor"]
        assert agent.process.poll() is None


def test_a_waiting_client_is_served_as_soon_as_there_is_news(tmp_path):
    host = SimulatedHost(tmp_path, [Gpu.of_model("L4")])
    with running_agent(host, interval=1.0) as agent:
        before = agent.first_reading()
        started = time.monotonic()
        after = agent.inventory(f"?after={before['cursor']}&wait=60")
        assert after["cursor"] != before["cursor"]
        assert time.monotonic() - started < 20
        anything = agent.inventory("?after=anything&wait=60")
        latest = agent.inventory()
        assert after["taken_at"] <= anything["taken_at"] <= latest["taken_at"]
        assert time.monotonic() - started < 30


def test_an_agent_that_is_terminated_serves_waiting_clients_and_ends_well(tmp_path):
    host = SimulatedHost(tmp_path, [Gpu.of_model("L4")])
    with running_agent(host, interval=600) as agent:
        before = agent.first_reading()
        connection = HTTPConnection(agent.address, timeout=30)
        connection.request(
            "GET",
            f"/v1/inventory?after={before['cursor']}&wait=60",
            headers={"Authorization": f"Bearer {TOKEN}"},
        )
        # Requests are read in the order in which they came, so that one is waiting by now.
        agent.get("/healthz", None)
        assert agent.end() == 0
        answer = connection.getresponse()
        assert json.load(answer)["cursor"] == before["cursor"]
        connection.close()
    assert TOKEN not in agent.log


@pytest.mark.parametrize("token", [None, "", "wrong", TOKEN[:-1], TOKEN + "x", "\u00e9" * 22])
@pytest.mark.parametrize("path", ["/v1/inventory", "/metrics", "/", "/nothing", "/v1/inventory?a"])
def test_only_the_health_check_needs_no_token(lone_agent, path, token):
    for method in ("GET", "POST", "DELETE"):
        status, body = lone_agent.get(path, token, method=method)
        assert status == 401
        assert set(json.loads(body)) == {"error", "message"}


@pytest.fixture(scope="module")
def lone_agent():
    with running_agent(None) as agent:
        yield agent


def test_the_health_check_reveals_nothing(lone_agent):
    assert lone_agent.get("/healthz", None) == (200, b'{"status": "ok"}')


@pytest.mark.parametrize("wait", ["", "x", "-1", "61", "nan", "1e999"])
def test_a_wait_that_is_no_short_time_is_rejected_with_a_sentence(lone_agent, wait):
    status, body = lone_agent.get(f"/v1/inventory?after=x&wait={wait}")
    assert status == 400
    assert "from 0 to 60" in json.loads(body)["message"]


def test_other_paths_and_methods_are_rejected_with_a_sentence(lone_agent):
    assert lone_agent.get("/nothing")[0] == 404
    assert lone_agent.get("/v1/inventory", method="POST")[0] == 405
    assert "/v1/inventory" in json.loads(lone_agent.get("/nothing")[1])["message"]


def test_neither_the_token_nor_a_query_is_logged(lone_agent):
    lone_agent.get("/v1/inventory?token=secret-in-query", "secret-in-header")
    wait_until(lambda: "401" in lone_agent.log, "the rejection to be logged")
    assert "secret" not in lone_agent.log
    assert TOKEN not in lone_agent.log


def test_prometheus_gets_base_units_with_labels(tmp_path):
    gpu = Gpu.of_model(
        "RTX 4090", utilization=50, memory_used_mib=2, temperature=60, power=100.5, ecc=None
    )
    host = SimulatedHost(tmp_path, [gpu, Gpu.of_model("L4", 1, fault="lost")])
    with running_agent(host) as agent:
        agent.first_reading()
        text = agent.get("/metrics")[1].decode()
    labels = f'host="node1",index="0",model="NVIDIA GeForce RTX 4090",uuid="{gpu.uuid}"'
    values = {
        "gpudock_gpu_utilization_ratio": 0.5,
        "gpudock_gpu_memory_used_bytes": 2 * 1024 * 1024,
        "gpudock_gpu_memory_total_bytes": 24564 * 1024 * 1024,
        "gpudock_gpu_temperature_celsius": 60,
        "gpudock_gpu_power_watts": 100.5,
        "gpudock_gpu_power_limit_watts": 450,
        "gpudock_gpu_faulty": 0,
    }
    found = {}
    for line in text.splitlines():
        if gpu.uuid in line:
            name, _, rest = line.partition("{")
            given, _, value = rest.partition("} ")
            assert sorted(given.split(",")) == sorted(labels.split(","))
            found[name] = float(value)
    assert found == values
    assert "gpudock_agent_problem 0.0" in text
    assert "gpudock_agent_unidentified_gpus 1.0" in text


def test_the_agent_opens_the_library_once_and_keeps_it_open(tmp_path):
    host = SimulatedHost(tmp_path, [Gpu.of_model("L4")])
    calls = tmp_path / "calls"
    agent = Agent(host.environment | {"GPUDOCK_SIMULATOR_CALLS": str(calls)}, interval=0.02)
    try:
        wait_until(
            lambda: read_calls(calls).get("nvmlDeviceGetUtilizationRates", 0) > 20, "20 rounds"
        )
        assert agent.end() == 0
        count = read_calls(calls)
        assert sum(n for name, n in count.items() if name.startswith("nvmlInit")) == 1
        assert count["nvmlShutdown"] == 1
    finally:
        agent.kill()
