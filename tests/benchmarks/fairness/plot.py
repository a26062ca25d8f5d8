"""The picture for the documentation: vectors, written by hand so that nothing need be installed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from benchmarks.fairness.measure import Result

_WIDTH, _HEIGHT = 340, 250
_LEFT, _TOP, _INNER_WIDTH, _INNER_HEIGHT = 52, 44, 270, 150
_COLOURS = ("#b04a3a", "#c79a2c", "#7d8a99", "#1f6f8b")
_FROM, _TO = 60.0, 30 * 86400.0
_TICKS = (
    (60, "1 min"),
    (600, "10 min"),
    (3600, "1 h"),
    (6 * 3600, "6 h"),
    (86400, "1 d"),
    (7 * 86400, "1 w"),
)


def picture(results: dict[str, dict[str, Result]]) -> str:
    """Draw, for each lab, which part of all requests had to wait for how long at most.

    Args:
        results: the lab's name to the policy's name to its figures.
    """
    columns = 2 if len(results) > 1 else 1
    rows = math.ceil(len(results) / columns)
    width, height = columns * _WIDTH, rows * _HEIGHT + 40
    policies = list(next(iter(results.values())))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img"',
        ' font-family="sans-serif" font-size="11"',
        ' aria-label="Part of all requests that waited no longer than a time, by policy">',
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
    ]
    for number, (lab, by_policy) in enumerate(results.items()):
        x, y = (number % columns) * _WIDTH, (number // columns) * _HEIGHT
        parts.append(f'<g transform="translate({x} {y})">{_panel(lab, by_policy)}</g>')
    for number, policy in enumerate(policies):
        x, y = 52 + number * 155, rows * _HEIGHT + 18
        parts.append(
            f'<rect x="{x}" y="{y - 7}" width="18" height="4" fill="{_COLOURS[number]}"/>'
            f'<text x="{x + 24}" y="{y}" fill="#333333">{escape(policy)}</text>'
        )
    parts.append("</svg>\n")
    return "\n".join(parts)


def _panel(lab: str, by_policy: dict[str, Result]) -> str:
    lowest = min(_part(result, _FROM) for result in by_policy.values())
    floor = math.floor(lowest * 10) / 10
    parts = [
        f'<text x="{_LEFT}" y="24" font-size="13" fill="#111111">{escape(lab)}</text>',
        f'<text x="{_LEFT}" y="38" fill="#555555">waited at most …</text>',
    ]
    for seconds, label in _TICKS:
        x = _x(seconds)
        parts.append(
            f'<path d="M{x:.1f} {_TOP}V{_TOP + _INNER_HEIGHT}" stroke="#dddddd"/>'
            f'<text x="{x:.1f}" y="{_TOP + _INNER_HEIGHT + 16}" text-anchor="middle"'
            f' fill="#555555">{label}</text>'
        )
    for step in range(5):
        part = floor + (1 - floor) * step / 4
        y = _y(part, floor)
        parts.append(
            f'<path d="M{_LEFT} {y:.1f}H{_LEFT + _INNER_WIDTH}" stroke="#eeeeee"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" fill="#555555">'
            f"{100 * part:.0f} %</text>"
        )
    for color, result in zip(_COLOURS, by_policy.values(), strict=False):
        points = " ".join(
            f"{_x(at):.1f},{_y(_part(result, at), floor):.1f}"
            for at in (_FROM * (_TO / _FROM) ** (step / 160) for step in range(161))
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="1.8"/>'
        )
    return "".join(parts)


def _part(result: Result, seconds: float) -> float:
    return sum(wait <= seconds for wait in result.waits) / len(result.waits)


def _x(seconds: float) -> float:
    return _LEFT + _INNER_WIDTH * math.log(seconds / _FROM) / math.log(_TO / _FROM)


def _y(part: float, floor: float) -> float:
    return _TOP + _INNER_HEIGHT * (1 - (part - floor) / (1 - floor))
