"""Builds the lab's images, and shows what is going on without showing everything."""

import re
import tempfile
from collections import deque
from collections.abc import Iterable

from gpudock.deploy import say
from gpudock.deploy.tools import Compose

LINES_SHOWN = 30
WORTH_TELLING_SECONDS = 1.0

_STEP = re.compile(r"#(\d+) \[(.+)")
_STATUS = re.compile(r"#(\d+) (?:CACHED|DONE ([\d.]+)s)")


def build(compose: Compose) -> None:
    """Build the images whose sources have changed.

    Raises:
        ProblemError: one of them cannot be built.
    """
    say.step("Building the images (the first time takes minutes, later only what has changed)")
    with compose.start("--progress=plain", "build") as process:
        assert process.stdout is not None
        narrator = _Narrator()
        with say.heartbeat(narrator.under_way):
            narrator.follow(process.stdout)
    if process.returncode != 0:
        with tempfile.NamedTemporaryFile(
            "w", prefix="gpudock-build-", suffix=".log", delete=False
        ) as log:
            log.writelines(narrator.lines)
        say.detail("The end of the build's log:")
        for line in list(narrator.lines)[-LINES_SHOWN:]:
            say.detail(line.rstrip())
        raise say.ProblemError(f"An image could not be built; the log is in {log.name}.")


class _Narrator:
    """Follows a build's log and tells of those steps that really run."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=20000)
        self._steps: dict[str, str] = {}

    def under_way(self) -> str:
        """Say which steps run."""
        return ", ".join(list(self._steps.values())) or "looking at what has changed"

    def follow(self, log: Iterable[str]) -> None:
        """Read the log to its end."""
        for line in log:
            self.lines.append(line)
            status = _STATUS.match(line)
            step = _STEP.match(line)
            if status is not None:
                name = self._steps.pop(status[1], None)
                seconds = float(status[2] or 0)
                if name is not None and seconds >= WORTH_TELLING_SECONDS:
                    say.detail(f"{name}: {seconds:.0f} s")
            elif step is not None and "] " in step[2]:
                self._steps[step[1]] = _short(step[2])


def _short(step: str) -> str:
    """Shorten «hub stage-2 3/5] RUN --mount=… command» to what a person wants to know."""
    place, _, command = step.partition("] ")
    command = re.sub(r"--mount=\S+\s*|\. /run/with-ca\s*&&\s*", "", command)
    command = re.sub(r"\s+", " ", command)
    return f"{place}: {command if len(command) <= 48 else command[:47] + '…'}"
