"""No task of the hub ends unseen."""

from __future__ import annotations

from harness.waiting import wait_for

FAILS_ONCE = """
from gpudock.hub.loops.{module} import {name}

_run = {name}.run
_failed = []

async def run(self):
    if not _failed:
        _failed.append(True)
        raise LookupError("as planned")
    await _run(self)

{name}.run = run
runtime.tasks.pause, runtime.tasks.proven = 2.0, 1.0
"""

ALWAYS_FAILS = """
from gpudock.hub.loops.session_expiry import SessionExpiry

async def run(self):
    raise LookupError("as planned")

SessionExpiry.run = run
runtime.config = dataclasses.replace(runtime.config, engine_patience=1000.0)
runtime.tasks.pause = 0.1
"""

SETUP_FAILS_ONCE = """
from gpudock.hub.loops.agent_container import AgentContainer

_inventory = AgentContainer.inventory
_failed = []

async def inventory(self):
    if not _failed:
        _failed.append(True)
        raise OSError("as planned")
    return await _inventory(self)

AgentContainer.inventory = inventory
runtime.tasks.pause, runtime.tasks.proven = 2.0, 1.0
"""


def test_a_loop_that_ends_by_a_fault_is_reported_and_started_again(new_hub):
    hub = new_hub(extra=FAILS_ONCE.format(module="session_expiry", name="SessionExpiry"))
    hub.start()
    wait_for(lambda: "as planned" in hub.problem(), "the health check says so")
    wait_for(lambda: not hub.problem(), "it runs again")
    assert "as planned" in hub.log.read_text()
    hub.client("ada").start_server()


def test_one_loop_that_ends_does_not_end_the_others(new_hub):
    hub = new_hub(extra=FAILS_ONCE.format(module="orphans", name="Orphans"))
    hub.start()
    ada = hub.client("ada")
    ada.start_server()
    wait_for(lambda: "as planned" in hub.log.read_text(), "it ended")
    hub.docker.remove_behind(hub.docker.servers[0])
    wait_for(lambda: not hub.leases(), "the reconciler still runs")


def test_a_fault_while_the_hub_gets_ready_is_reported_and_it_tries_again(new_hub):
    hub = new_hub(extra=SETUP_FAILS_ONCE).start()
    wait_for(lambda: "as planned" in hub.problem(), "the health check says so")
    wait_for(lambda: not hub.problem(), "it runs")
    hub.client("ada").start_server()


def test_a_hub_with_a_loop_that_always_fails_ends_to_be_restarted(new_hub):
    hub = new_hub(extra=ALWAYS_FAILS)
    hub.launch()
    wait_for(hub.has_ended, "the hub ends", 60)
    assert "Ending the hub, to be restarted." in hub.log.read_text()
