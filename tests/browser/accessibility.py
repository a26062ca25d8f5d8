"""What keeps people out of a page: for eyes, fingers, screen readers, and the keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from playwright.sync_api import Locator, Page

ROOT = Path(__file__).parents[2]
AXE = ROOT / "spawner" / "desk-ui" / "node_modules" / "axe-core" / "axe.min.js"

DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 390, "height": 844}
LOOKS: tuple[tuple[str, Any], ...] = (
    ("light", DESKTOP),
    ("dark", PHONE),
    ("light", PHONE),
    ("dark", DESKTOP),
)
# The last two looks have nothing that the first two do not have, except for colors and sizes.
_ALL_RULES = LOOKS[:2]

_RUN_AXE = """async all => {
  const options = { resultTypes: ["violations"], rules: { "target-size": { enabled: true } } };
  if (!all) {
    const values = ["color-contrast", "link-in-text-block", "target-size"];
    options.runOnly = { type: "rule", values };
  }
  const { violations } = await axe.run(document, options);
  return violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ target, any }) =>
      [id, target.flat().join(" "), any[0]?.message ?? ""].join(" | ")));
}"""
_OUTLINE = """() => {
  const texts = selector => [...document.querySelectorAll(selector)]
    .filter(element => element.checkVisibility())
    .map(element => element.textContent.trim());
  return { mains: texts("main, [role=main]").length, headings: texts("h1"), title: document.title };
}"""
_WIDTHS = "[document.documentElement.scrollWidth, document.documentElement.clientWidth]"
_LAID_OUT = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
# What a mouse can use, within the dialog if one is open; of radio buttons, their group.
_FIND_CONTROLS = """() => {
  const dialog = [...document.querySelectorAll("dialog")].find(dialog => dialog.matches(":modal"));
  const selector = "a[href], button, input, select, textarea, summary, [role=button], [tabindex]";
  window.controls = [...(dialog ?? document).querySelectorAll(selector)].filter(element =>
    element.checkVisibility({ visibilityProperty: true }) && !element.matches(":disabled")
    && element.type !== "hidden" && !element.matches("[tabindex='-1']"));
  window.reached = new Set();
  window.latest = null;
  window.nameOf = element => element.type === "radio" ? `radio ${element.name}`
    : element.getAttribute("aria-label") || element.innerText?.trim() || element.name || element.id
      || element.outerHTML.slice(0, 80);
  document.activeElement?.blur();
  return window.controls.length;
}"""
_NOTE_FOCUS = """() => {
  const element = document.activeElement;
  const style = getComputedStyle(element);
  const ring = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2;
  // A field for a date has the focus several times in a row, for day, month and year.
  const again = window.reached.has(element) && element !== window.latest;
  window.latest = element;
  window.reached.add(element);
  const isPage = element === document.body || element.matches("dialog");
  // The browser draws the ring of the calendar's button, which is a part of the field.
  const isCalendar = element.type === "date" && !element.matches(":focus-visible");
  const shown = isPage || ring || isCalendar || style.boxShadow !== "none";
  return { again, hidden: shown ? null : window.nameOf(element) };
}"""
_NOT_REACHED = """() => {
  const groups = [...window.reached].filter(({ type }) => type === "radio").map(({ name }) => name);
  return window.controls
    .filter(control => !window.reached.has(control) && !groups.includes(control.name))
    .map(window.nameOf);
}"""
_MAX_TABS = 150


def problems(page: Page) -> list[str]:
    """Return what is wrong with the page that is open, each with the :data:`LOOKS` where it is."""
    found: dict[str, list[str]] = {text: [] for text in _outline_problems(page)}
    page.evaluate(AXE.read_text())
    for scheme, window in LOOKS:
        page.emulate_media(color_scheme=scheme)
        page.set_viewport_size(window)
        page.evaluate(_LAID_OUT)
        texts = page.evaluate(_RUN_AXE, (scheme, window) in _ALL_RULES)
        shown, width = page.evaluate(_WIDTHS)
        if shown > width:
            texts.append(f"the page is {shown} px wide")
        for text in texts:
            found.setdefault(text, []).append(f"{scheme} {window['width']} px")
    page.set_viewport_size(DESKTOP)
    return [f"{text} ({', '.join(looks) or 'always'})" for text, looks in found.items()]


def keyboard_problems(page: Page) -> list[str]:
    """Return which controls Tab does not reach, and which do not show that they have the focus."""
    page.evaluate(_FIND_CONTROLS)
    found = []
    for _ in range(_MAX_TABS):
        page.keyboard.press("Tab")
        focus = page.evaluate(_NOTE_FOCUS)
        if focus["again"]:
            break
        if focus["hidden"]:
            found.append(f"the focus on {focus['hidden']!r} cannot be seen")
    return found + [f"Tab does not reach {name!r}" for name in page.evaluate(_NOT_REACHED)]


def tab_to(page: Page, target: Locator) -> None:
    """Press Tab until *target* has the focus."""
    for _ in range(_MAX_TABS):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError(f"Tab does not reach {target}")


def _outline_problems(page: Page) -> list[str]:
    outline = page.evaluate(_OUTLINE)
    found = []
    if outline["mains"] != 1:
        found.append(f"there are {outline['mains']} main landmarks")
    if len(outline["headings"]) != 1 or not all(outline["headings"]):
        found.append(f"the level-one headings are {outline['headings']}")
    if not outline["title"].strip():
        found.append("there is no title")
    return found
