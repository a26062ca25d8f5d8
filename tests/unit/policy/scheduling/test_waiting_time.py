"""Since when waiting time counts."""

from __future__ import annotations

import math

from gpudock.model import Quota, Request
from gpudock.policy.quota.resolve import resolve
from gpudock.policy.scheduling.snapshot import Waiting
from gpudock.policy.scheduling.waiting_time import Claim, counted_since

NOW = 1000.0


def wait(sequence: int, created: float, gpus: int = 1, limit: int | None = 1) -> Waiting:
    request = Request(f"r{sequence}", "ada", f"s{sequence}", gpus, created, "image")
    return Waiting(sequence, request, resolve(Quota(max_gpus=limit)))


def session(
    sequence: int | None, begin: float, end: float = math.inf, gpus: int = 1, user: str = "ada"
) -> Claim:
    return Claim(user, gpus, begin, end, sequence)


def test_it_counts_from_the_beginning_where_nothing_of_the_user_is_in_the_way() -> None:
    assert counted_since([wait(1, 100)], [session(2, 500, user="bob")], NOW) == {}
    assert counted_since([wait(1, 100, limit=None)], [session(None, 50, 700)], NOW) == {}
    # A session that had ended before.
    assert counted_since([wait(3, 100)], [session(1, 10, 90)], NOW) == {}


def test_it_does_not_count_while_the_users_own_limit_holds_it_back() -> None:
    """Also while the container of the former session is being stopped, which is its end."""
    assert counted_since([wait(2, 100)], [session(1, 50, 700)], NOW) == {"r2": 700}
    assert counted_since([wait(2, 100)], [session(1, 50)], NOW) == {"r2": NOW}
    # Of a row under a limit of one GPU only the first waits for others.
    assert counted_since([wait(1, 100), wait(2, 100), wait(3, 100)], [], NOW) == {
        "r2": NOW,
        "r3": NOW,
    }
    # Also when the one before it had waited as well.
    assert counted_since([wait(2, 100)], [session(1, 600, 700)], NOW) == {"r2": 700}


def test_a_limit_of_several_gpus_holds_back_what_is_beyond_it() -> None:
    held = [session(1, 50)]
    assert counted_since([wait(2, 100, limit=2)], held, NOW) == {}
    assert counted_since([wait(2, 100, 2, limit=2)], held, NOW) == {"r2": NOW}
    assert counted_since([wait(2, 100, 2, limit=2)], [session(1, 50, 300)], NOW) == {"r2": 300}
    # A session on other GPUs that began later holds nothing back where the limit has room.
    assert counted_since([wait(2, 100, limit=2)], [session(3, 400, 500)], NOW) == {}


def test_it_begins_again_when_an_earlier_request_of_the_user_is_granted() -> None:
    waiting = [wait(2, 100, limit=None), wait(3, 100, limit=None)]
    assert counted_since(waiting, [session(1, 400)], NOW) == {"r2": 400, "r3": 400}
    # A later request that passed it changes nothing.
    assert counted_since(waiting, [session(4, 400)], NOW) == {}


def test_a_server_without_a_gpu_waits_for_nobody() -> None:
    assert counted_since([wait(2, 100, gpus=0)], [session(1, 50)], NOW) == {}
