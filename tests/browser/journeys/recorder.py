"""What a journey through the pages costs: clicks, fields to fill in, keys, and seconds."""

from __future__ import annotations

import json
import os
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.sync_api import expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Locator, Page

FIGURES = os.environ.get("GPUDOCK_JOURNEY_FIGURES")
"""The folder for figures and screenshots; neither is kept without it."""

_MAX_TABS = 80

# The focus is at the target, or comes to it by Tab or by Shift+Tab.
_WAY_TO_TARGET = """target => {
  const active = document.activeElement;
  if (active === target) return "here";
  if (active === null || active === document.body || active.contains(target)) return "Tab";
  const follows = Node.DOCUMENT_POSITION_FOLLOWING;
  return target.compareDocumentPosition(active) & follows ? "Shift+Tab" : "Tab";
}"""
_SHOWS_FOCUS = """target => {
  const style = getComputedStyle(target);
  return style.outlineStyle !== "none" || style.boxShadow !== "none";
}"""


class Hand(Enum):
    """What a person uses."""

    MOUSE = "mouse"
    FINGER = "finger"
    KEYBOARD = "keyboard"


@dataclass
class Step:
    """One step of a journey.

    Attributes:
        name: what the person does.
        clicks: clicks or taps. Choosing an option of a list is two.
        fields: fields that are filled in.
        keys: keys that move the focus, press a button or choose an option.
        seconds: from the first action until the result is seen.
    """

    name: str
    clicks: int = 0
    fields: int = 0
    keys: int = 0
    seconds: float = 0.0


@dataclass
class Journey:
    """One person's way through the pages.

    Attributes:
        name: identifies the journey in the figures.
        page: what the person looks at.
        hand: what the person uses; with the keyboard, all is done without a mouse.
    """

    name: str
    page: Page
    hand: Hand = Hand.MOUSE
    steps: list[Step] = field(default_factory=list)
    _step: Step = field(default_factory=lambda: Step("before the first step"))

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Record what a ``with`` block does as a step, which ends when its result is seen."""
        self._step = Step(name)
        self.steps.append(self._step)
        begin = time.monotonic()
        yield
        self._step.seconds = round(time.monotonic() - begin, 2)
        if FIGURES:
            self.page.screenshot(path=Path(FIGURES) / f"{self.name}-{len(self.steps)}.png")

    # Actions.

    def click(self, target: Locator) -> None:
        """Press a button, follow a link, or tick a box."""
        if self.hand is Hand.KEYBOARD:
            self._focus(target)
            ticks = target.evaluate("target => ['checkbox', 'radio'].includes(target.type)")
            self._press("Space" if ticks else "Enter")
            return
        self._step.clicks += 1
        if self.hand is Hand.FINGER:
            target.tap()
        else:
            target.click()

    def fill(self, target: Locator, text: str) -> None:
        """Fill in a field, unless it has that text already."""
        expect(target).to_be_visible()
        if target.input_value() == text:
            return
        self._step.fields += 1
        if self.hand is Hand.KEYBOARD:
            self._focus(target)
            self.page.keyboard.press("Control+A")
            self.page.keyboard.type(text)
            expect(target).to_have_value(text)
        else:
            target.fill(text)

    def choose(self, target: Locator, value: str) -> None:
        """Choose an option of a list, unless it is chosen already. Options begin with the value."""
        expect(target).to_be_visible()
        if target.input_value() == value:
            return
        if self.hand is Hand.KEYBOARD:
            self._focus(target)
            self._press(value[0])
        else:
            self._step.clicks += 2
            target.select_option(value)
        expect(target).to_have_value(value)

    def press_enter(self) -> None:
        """Press Enter where the focus is."""
        self._press("Enter")

    def open(self, address: str) -> None:
        """Type an address, or follow a bookmark."""
        self._step.fields += 1
        self.page.goto(address)

    def _press(self, key: str) -> None:
        self._step.keys += 1
        self.page.keyboard.press(key)

    def _focus(self, target: Locator) -> None:
        """Move the focus by Tab, and check that the person sees where it is."""
        expect(target).to_be_visible()
        expect(target).to_be_enabled()
        for _ in range(_MAX_TABS):
            way = target.evaluate(_WAY_TO_TARGET)
            if way == "here":
                break
            self._press(way)
        expect(target).to_be_focused()
        expect(target).to_be_in_viewport()
        assert target.evaluate(_SHOWS_FOCUS), f"the focus is not seen at {target}"

    # Results.

    @property
    def clicks(self) -> int:
        return sum(step.clicks for step in self.steps)

    @property
    def fields(self) -> int:
        return sum(step.fields for step in self.steps)

    @property
    def keys(self) -> int:
        return sum(step.keys for step in self.steps)

    def finish(self, **most: int) -> None:
        """Keep the figures if asked to, and check that the journey is no longer than this.

        Args:
            most: bounds by what they count: ``clicks``, ``fields`` or ``keys``.
        """
        if FIGURES:
            file = Path(FIGURES) / f"{self.name}.json"
            runs = json.loads(file.read_text()) if file.exists() else []
            runs.append([asdict(step) for step in self.steps])
            file.write_text(json.dumps(runs, indent=1))
        for what, bound in most.items():
            found = {step.name: getattr(step, what) for step in self.steps}
            assert sum(found.values()) <= bound, f"{self.name}: {what} {found}"
