"""The benchmark's table says what was measured, and its bounds hold what they promise."""

import json

import pytest

from benchmarks.panel.__main__ import front_end_kb, judge
from benchmarks.report import (
    BOUND,
    Figures,
    NothingMeasuredError,
    document,
    percentile,
    ratios,
    table,
    too_slow,
)


def figures(factor=1.0, **changed):
    measured = {
        "clicks_s": [2.0, 3.0, 4.0],
        "bursts_s": [10.0, 30.0, 20.0],
        "cpu_s": [4.0, 2.0, 3.0],
        "memory_mib": [100.0, 110.0],
        "delays_s": [0.1, 0.2, 0.3],
    }
    return Figures(
        **{name: [factor * value for value in values] for name, values in measured.items()}
        | changed
    )


@pytest.mark.parametrize(
    ("values", "percent", "expected"),
    [
        ([5.0], 99, 5.0),
        ([3.0, 1.0, 2.0], 50, 2.0),
        ([4.0, 3.0, 2.0, 1.0], 50, 2.0),
        (list(range(1, 101)), 90, 90),
        (list(range(1, 101)), 99, 99),
        ([1.0, 2.0], 100, 2.0),
        ([2.0, 1.0], 0, 1.0),
    ],
)
def test_a_percentile_is_a_value_that_was_measured(values, percent, expected):
    assert percentile(values, percent) == expected


def test_bursts_count_by_their_median_and_memory_and_delay_by_their_worst():
    summary = figures().summary()
    assert summary["burst_s"] == 20.0
    assert summary["burst_hub_cpu_s"] == 3.0
    assert summary["burst_hub_memory_mib"] == 110.0
    assert summary["burst_delay_max_s"] == 0.3
    assert summary["click_p90_s"] == 4.0


def test_a_ratio_is_ours_of_theirs():
    assert set(ratios(figures(4.0), figures(1.0)).values()) == {0.25}


def test_the_bound_holds_for_a_click_and_for_a_burst_only():
    stock = figures()
    assert too_slow(stock, figures(BOUND), 12) == []
    hungry = figures(BOUND, cpu_s=[99.0], memory_mib=[999.0], delays_s=[9.0])
    assert too_slow(stock, hungry, 12) == []
    (slow,) = too_slow(stock, figures(BOUND, bursts_s=[10.2]), 12)
    assert slow == ("12 users at once, until all are ready: 0.51 of stock's, and the bound is 0.5.")
    assert len(too_slow(stock, figures(BOUND * 1.02), 12)) == 2


def test_the_table_has_a_row_for_every_figure():
    lines = table(figures(2.0), figures(1.0), burst=12).splitlines()
    assert lines[:2] == ["| | stock | gpudock | ratio |", "|---|---|---|---|"]
    assert "| one user, click to ready, p50 | 6.00 s | 3.00 s | 0.50 |" in lines
    assert "| 12 users at once, until all are ready | 40.00 s | 20.00 s | 0.50 |" in lines
    assert "| hub's memory in that burst, most | 220.00 MiB | 110.00 MiB | 0.50 |" in lines
    assert len(lines) == 2 + len(figures().summary())


def test_the_document_keeps_every_value_and_is_json():
    kept = json.loads(json.dumps(document(figures(2.0), figures(), 12, {"cpus": 2})))
    assert kept["machine"] == {"cpus": 2}
    assert kept["labs"]["gpudock"]["clicks_s"] == [2.0, 3.0, 4.0]
    assert kept["labs"]["stock"]["bursts_s"] == [20.0, 60.0, 40.0]
    assert kept["ratios"]["click_p50_s"] == 0.5


@pytest.mark.parametrize("missing", ["clicks_s", "memory_mib", "delays_s"])
def test_a_benchmark_that_measured_nothing_fails(missing):
    with pytest.raises(NothingMeasuredError):
        figures(**{missing: []}).summary()


def test_a_front_end_that_is_not_built_has_no_size(tmp_path):
    with pytest.raises(NothingMeasuredError, match="no built front end"):
        front_end_kb(tmp_path)


def test_clients_that_get_nothing_cost_nothing_that_counts():
    cost = {"case": "gpudock, 1 s", "clients": 1, "frames": 0}
    with pytest.raises(NothingMeasuredError, match="got nothing"):
        judge({"costs": [cost]})
