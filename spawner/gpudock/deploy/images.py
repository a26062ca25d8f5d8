"""Build the lab's images and show the progress."""

import re
import tempfile
from collections import deque
from collections.abc import Iterable

from gpudock.deploy import output
from gpudock.deploy.tools import Compose

LINES_SHOWN = 30
MIN_SHOWN_SECONDS = 1.0

_STEP = re.compile(r"#(\d+) \[(.+)")
_STATUS = re.compile(r"#(\d+) (?:CACHED|DONE ([\d.]+)s)")


def build(compose: Compose) -> None:
    """Build the images whose sources have changed.

    Raises:
        ProblemError: one of them cannot be built.
    """
    output.step("Building the images (the first time takes minutes, later only changes are built)")
    with compose.start("--progress=plain", "build") as process:
        assert process.stdout is not None
        progress = _BuildProgress()
        with output.heartbeat(progress.running):
            progress.follow(process.stdout)
    if process.returncode != 0:
        with tempfile.NamedTemporaryFile(
            "w", prefix="gpudock-build-", suffix=".log", delete=False
        ) as log:
            log.writelines(progress.lines)
        output.detail("The end of the build log:")
        for line in list(progress.lines)[-LINES_SHOWN:]:
            output.detail(line.rstrip())
        raise output.ProblemError(f"An image could not be built; the log is in {log.name}.")


class _BuildProgress:
    """Follows a build log and shows the steps that take time."""

    def __init__(self) -> None:
        self.lines: deque[str] = deque(maxlen=20000)
        self._steps: dict[str, str] = {}

    def running(self) -> str:
        """Return the running steps."""
        return ", ".join(list(self._steps.values())) or "checking what has changed"

    def follow(self, log: Iterable[str]) -> None:
        """Read the log to its end."""
        for line in log:
            self.lines.append(line)
            status = _STATUS.match(line)
            step = _STEP.match(line)
            if status is not None:
                name = self._steps.pop(status[1], None)
                seconds = float(status[2] or 0)
                if name is not None and seconds >= MIN_SHOWN_SECONDS:
                    output.detail(f"{name}: {seconds:.0f} s")
            elif step is not None and "] " in step[2]:
                self._steps[step[1]] = _short(step[2])


def _short(step: str) -> str:
    """Shorten ``hub stage-2 3/5] RUN --mount=… command``."""
    stage, _, command = step.partition("] ")
    command = re.sub(r"--mount=\S+\s*|\. /run/with-ca\s*&&\s*", "", command)
    command = re.sub(r"\s+", " ", command)
    return f"{stage}: {command if len(command) <= 48 else command[:47] + '…'}"
