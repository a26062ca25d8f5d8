"""The chaos notices what it is there to notice."""

from __future__ import annotations

import random
import threading
from types import SimpleNamespace

import docker.errors
import pytest
import requests

from chaos import faults
from chaos.faults import FAULTS, Scene, choose
from chaos.invariants import Books, Broken, Watch, disagreement, until_true
from chaos.people import Gate

ONE, TWO = "GPU-1", "GPU-2"


def container(lease, gpus, created=1000.0):
    return {
        "Id": f"container of {lease}",
        "Created": created,
        "Labels": {
            "gpudock.lease": lease,
            "gpudock.user": "ada",
            "gpudock.server": "",
            "gpudock.gpus": ",".join(gpus),
        },
        "given": gpus,
        "Running": True,
    }


class FakeAPI:
    """An engine with these containers."""

    def __init__(self, *containers):
        self.there = list(containers)

    def containers(self, filters):
        return [one for one in self.there if one["Running"]]

    def inspect_container(self, identity):
        (found,) = (one for one in self.there if one["Id"] == identity)
        names = [f"nvidia.com/gpu={uuid}" for uuid in found["given"]]
        return {
            "HostConfig": {"DeviceRequests": [{"Driver": "cdi", "DeviceIDs": names}]},
            "State": {"Running": found["Running"]},
        }


def scene_with(*containers, stopped=()):
    lab = SimpleNamespace(
        docker=SimpleNamespace(api=FakeAPI(*containers)),
        servers=lambda *, stopped: [
            *(SimpleNamespace(name=one["Id"], status="running") for one in containers),
            *gone,
        ],
    )
    gone = [SimpleNamespace(name=name, status="exited") for name in stopped]
    return Scene(lab, random.Random(1))


def found_by_a_look_at(scene):
    watch = Watch(scene)
    watch._look()
    return watch.found


def test_two_containers_on_one_gpu_are_found():
    scene = scene_with(container("a", [ONE]), container("b", [ONE, TWO]))
    (found,) = found_by_a_look_at(scene)
    assert ONE in found


def test_containers_on_gpus_of_their_own_are_fine():
    assert found_by_a_look_at(scene_with(container("a", [ONE]), container("b", [TWO]))) == []


def test_a_container_that_has_another_gpu_than_its_label_says_is_found():
    wrong = container("a", [ONE])
    wrong["given"] = [TWO]
    (found,) = found_by_a_look_at(scene_with(wrong))
    assert "labeled" in found


@pytest.mark.parametrize(("since", "seen"), [(990.0, 1), (999.0, 0)])
def test_a_gpu_that_was_granted_although_a_stranger_had_it_is_found(since, seen):
    scene = scene_with(container("a", [ONE]))
    scene.strangers["stranger"] = (ONE, since)
    assert len(found_by_a_look_at(scene)) == seen


ALL_FIT = Books({"a": [ONE]}, [("bob", 2)], {ONE: "active", TWO: "active"})


def test_leases_containers_and_queue_that_fit_are_fine():
    assert disagreement(scene_with(container("a", [ONE])), ALL_FIT) is None


@pytest.mark.parametrize(
    ("books", "said"),
    [
        (Books({"a": [ONE], "b": [ONE]}, [], {}), "two leases"),
        (Books({"a": [ONE], "b": [TWO]}, [], {}), "are not the containers"),
        (Books({}, [], {}), "are not the containers"),
        (Books({"a": [ONE]}, [("bob", 1)], {ONE: "active", TWO: "active"}), "bob waits"),
    ],
)
def test_what_does_not_fit_is_found(books, said):
    assert said in disagreement(scene_with(container("a", [ONE])), books)


def test_a_container_that_is_left_behind_is_found():
    scene = scene_with(container("a", [ONE]), stopped=["old"])
    assert "old" in disagreement(scene, ALL_FIT)


def test_what_does_not_come_true_is_an_error_with_the_last_reason():
    def fails():
        raise Broken("the reason")

    with pytest.raises(Broken, match=r"still not: it works .*the reason"):
        until_true(fails, "it works", 0.01, every=0.001)


def test_a_closed_gate_holds_people_back_until_it_is_opened():
    gate, passed = Gate(), threading.Event()

    def walk():
        assert gate.enter(0)
        passed.set()
        gate.leave()

    gate.close(1)
    walker = threading.Thread(target=walk)
    walker.start()
    assert not passed.wait(0.05)
    gate.open()
    assert passed.wait(10)
    walker.join()
    gate.end()
    assert not gate.enter(0)


def test_a_gate_does_not_close_on_somebody_who_acts():
    gate = Gate()
    assert gate.enter(0)
    with pytest.raises(TimeoutError):
        gate.close(0.01)


def test_in_time_every_fault_happens_alone_and_with_another():
    chosen = [choose(random.Random(seed)) for seed in range(1500)]
    alone = {faults[0].name for faults in chosen if len(faults) == 1}
    together = {fault.name for faults in chosen if len(faults) == 2 for fault in faults}
    assert alone == together == {fault.name for fault in FAULTS}
    assert all(len({fault.of for fault in faults}) == len(faults) for faults in chosen)


class Ended:
    """A container that does not run any more."""

    def __init__(self, status: int) -> None:
        self._status = status

    def kill(self, _: str) -> None:
        response = requests.Response()
        response.status_code = self._status
        raise docker.errors.APIError("cannot kill container", response)


def test_what_has_ended_by_itself_cannot_be_killed_which_is_no_failure() -> None:
    faults._kill(Ended(409))
    with pytest.raises(docker.errors.APIError):
        faults._kill(Ended(500))
