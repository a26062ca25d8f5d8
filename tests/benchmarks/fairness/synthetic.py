"""Synthetic labs: a course before its deadline, a research group, a small company."""

from __future__ import annotations

import random

from benchmarks.fairness.jobs import Job, Setting, device

_HOUR = 3600.0
_DAY = 86400.0

_Wanted = tuple[float, str, int, float, str | None, bool]


def _setting(
    name: str,
    about: str,
    hosts: list[tuple[str, int, str, int]],
    jobs: list[_Wanted],
    limits: dict[str, float],
    **rest: dict[str, float] | dict[str, int],
) -> Setting:
    gpus = [
        (host, index, model, memory)
        for host, count, model, memory in hosts
        for index in range(count)
    ]
    jobs.sort()
    return Setting(
        name=name,
        about=about,
        gpus=tuple(
            device(number, index, host, model, memory)
            for number, (host, index, model, memory) in enumerate(gpus)
        ),
        jobs=tuple(
            Job(number, user, count, at, seconds, model, shared)
            for number, (at, user, count, seconds, model, shared) in enumerate(jobs)
        ),
        max_session_hours=limits,
        **rest,
    )


def course(seed: int) -> Setting:
    """Sixty students, two weeks, most of them in the last days; some start over and over."""
    chance = random.Random(f"course {seed}")
    jobs: list[_Wanted] = []
    limits: dict[str, float] = {}
    for number in range(60):
        user = f"student{number:02}"
        limits[user] = 4.0
        keen = number < 6
        for _ in range(chance.randint(30, 45) if keen else chance.randint(3, 9)):
            # The nearer the deadline the more of them come, by day.
            day = 14 * chance.random() ** (0.9 if keen else 0.4)
            at = (int(day) + chance.triangular(0.35, 0.95, 0.6)) * _DAY
            seconds = min(chance.lognormvariate(0.2, 0.7), 4.0) * _HOUR
            jobs.append((at, user, 1, seconds, None, not keen and chance.random() < 0.4))
    hosts = [("t4-a", 4, "NVIDIA T4", 15360), ("t4-b", 4, "NVIDIA T4", 15360)]
    shared = device(7, 3, "t4-b", "NVIDIA T4", 15360).uuid
    return _setting(
        "course",
        "60 students, 8 GPUs, one of them shared by 4; sessions of up to 4 hours before a deadline",
        hosts,
        jobs,
        limits,
        slots={shared: 4},
    )


def research(seed: int) -> Setting:
    """Twenty-four people: notebooks, sweeps of many small runs at once, and large trainings."""
    chance = random.Random(f"research {seed}")
    jobs: list[_Wanted] = []
    limits: dict[str, float] = {}
    weights: dict[str, float] = {}
    for number in range(24):
        if number < 4:
            user = f"sweeper{number}"
            limits[user] = 12.0
            for _ in range(5):
                at = chance.uniform(0, 20) * _DAY
                for _ in range(chance.randint(25, 60)):
                    seconds = min(chance.lognormvariate(0.9, 0.5), 12.0) * _HOUR
                    jobs.append((at + chance.uniform(0, 300), user, 1, seconds, None, False))
        elif number < 10:
            user = f"trainer{number}"
            limits[user] = 24.0
            weights[user] = 2.0
            for _ in range(10):
                at = chance.uniform(0, 21) * _DAY
                count = chance.choice([2, 4, 4, 8])
                model = "*H100*" if count <= 4 and chance.random() < 0.4 else None
                seconds = chance.uniform(3, 24) * _HOUR
                jobs.append((at, user, count, seconds, model, False))
        else:
            user = f"reader{number}"
            limits[user] = 4.0
            for day in range(21):
                for _ in range(chance.choice([0, 1, 1, 2])):
                    at = (day + chance.triangular(0.33, 0.8, 0.5)) * _DAY
                    seconds = min(chance.lognormvariate(0.3, 0.6), 4.0) * _HOUR
                    jobs.append((at, user, 1, seconds, None, False))
    hosts = [
        ("a100-a", 8, "NVIDIA A100-SXM4-40GB", 40960),
        ("a100-b", 8, "NVIDIA A100-SXM4-40GB", 40960),
        ("h100", 4, "NVIDIA H100 80GB HBM3", 81559),
    ]
    return _setting(
        "research group",
        "24 people, 20 GPUs; notebooks (4 h), sweeps (12 h), trainings on 2 to 8 GPUs (24 h)",
        hosts,
        jobs,
        limits,
        weights=weights,
    )


def company(seed: int) -> Setting:
    """Nine people and twelve GPUs that are never idle for long."""
    chance = random.Random(f"company {seed}")
    jobs: list[_Wanted] = []
    limits: dict[str, float] = {}
    for number in range(9):
        user = f"person{number}"
        limits[user] = 24.0 if number < 2 else 8.0
        at = 0.0
        while at < 21 * _DAY:
            at += chance.expovariate(1 / ((9 if number < 2 else 5) * _HOUR))
            if number < 2:
                count, seconds = chance.choice([4, 4, 8]), chance.uniform(2, 10) * _HOUR
            else:
                count = chance.choice([1, 1, 1, 2])
                seconds = min(chance.lognormvariate(0.8, 0.8), 8.0) * _HOUR
            jobs.append((at, user, count, seconds, None, False))
    hosts = [("large", 8, "NVIDIA L40S", 46068), ("small", 4, "NVIDIA RTX 4090", 24564)]
    return _setting(
        "company",
        "9 people, 12 GPUs; two train on 4 or 8 GPUs (24 h), seven work on 1 or 2 (8 h)",
        hosts,
        jobs,
        limits,
    )
