"""Write the tables of ``journeys.md`` from what a run of the journeys measured.

``make journeys`` runs the journeys and this. Their tests keep the numbers of clicks; the times are
those of one machine, and nothing fails because of them.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from pathlib import Path

PAGE = Path(__file__).parent / "journeys.md"
_TABLE = re.compile(r"(<!-- measured: (?P<name>[\w-]+) -->\n).*?(\n<!-- end -->)", re.DOTALL)

Step = dict[str, object]


def table(runs: list[list[Step]]) -> str:
    """Return the table of one journey.

    Args:
        runs: of each run its steps, with ``name``, ``clicks``, ``fields``, ``keys``, ``seconds``.
            The time shown is the median.
    """
    rows = ["| Step | Clicks | Fields | Keys | Time (s) |", "|---|--:|--:|--:|--:|"]
    total = [0, 0, 0]
    seconds = 0.0
    for steps in zip(*runs, strict=True):
        step = steps[-1]
        counts = [int(str(step[name])) for name in ("clicks", "fields", "keys")]
        total = [before + more for before, more in zip(total, counts, strict=True)]
        taken = statistics.median(float(str(each["seconds"])) for each in steps)
        seconds += taken
        cells = " | ".join(str(count) for count in counts)
        rows.append(f"| {step['name']} | {cells} | {taken:.1f} |")
    cells = " | ".join(f"**{count}**" for count in total)
    rows.append(f"| **All** | {cells} | **{seconds:.1f}** |")
    return "\n".join(rows)


def write(folder: Path) -> None:
    """Put the tables of the journeys measured in a folder into the page."""

    def replace(found: re.Match[str]) -> str:
        measured = folder / f"{found['name']}.json"
        return f"{found[1]}\n{table(json.loads(measured.read_text()))}\n{found[3]}"

    PAGE.write_text(_TABLE.sub(replace, PAGE.read_text()))


if __name__ == "__main__":
    write(Path(sys.argv[1]))
