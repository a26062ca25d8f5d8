"""The documentation says what the sources say, and its links lead somewhere."""

import importlib.util
import re
import subprocess
from collections import Counter
from pathlib import Path

import pytest
from traitlets.config import Configurable

from gpudock.config.settings import REFERENCE, SETTINGS
from gpudock.hub import accounts, spawner

ROOT = Path(__file__).parents[3]
HEADING = re.compile(r"^#+ (.+)$", re.M)
FILE = re.compile(r"`([\w.-]+(?:/[\w.-]+)+\.(?:html|json|lock|md|py|toml|ts|txt|yml))`")
LINK = re.compile(r"\]\(([^)\s]+)\)")
ROW = re.compile(r"^\| `(GPUDOCK_\w+)` \| (?:`(.*?)`|not set) \|", re.M)


def generator():
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PAGES = generator().PAGES


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_a_generated_page_says_what_the_sources_say(path):
    assert path.read_text() == PAGES[path](), 'run "make docs"'


def test_the_reference_lists_every_setting_with_its_default():
    rows = ROW.findall((ROOT / REFERENCE).read_text())
    assert rows == [(setting.name, setting.default) for setting in SETTINGS]


def test_the_readme_lists_the_settings_that_matter_with_their_defaults():
    rows = ROW.findall((ROOT / "README.md").read_text())
    assert len(rows) == 5
    assert set(rows) <= {(setting.name, setting.default) for setting in SETTINGS}


def test_every_setting_that_the_documentation_names_exists():
    known = {setting.name for setting in SETTINGS}
    # What a user's container gets is no setting.
    others = {"GPUDOCK_LEASE", "GPUDOCK_API_URL"}
    shown = [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")]
    named = {name for page in shown for name in re.findall(r"GPUDOCK_\w+", page.read_text())}
    assert named - known - others == set()


@pytest.mark.parametrize("module", [spawner, accounts])
def test_every_class_with_options_is_in_the_reference(module):
    page = (ROOT / "docs" / "reference" / "spawner.md").read_text()
    for item in [item for item in vars(module).values() if isinstance(item, type)]:
        if issubclass(item, Configurable) and item.__module__.startswith(module.__name__):
            assert f".. autoconfigurable:: {module.__name__}.{item.__name__}\n" in page


def pages():
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [ROOT / name for name in sorted(listed.splitlines()) if (ROOT / name).exists()]


def anchors(page):
    """Return the anchors that GitHub and MyST give to the headings of a page."""
    text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
    slugs = Counter()
    found = set()
    for heading in HEADING.findall(text):
        slug = re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")
        found.add(f"{slug}-{slugs[slug]}" if slugs[slug] else slug)
        slugs[slug] += 1
    return found


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_to_a_file_and_a_heading(page):
    broken = []
    for link in LINK.findall(page.read_text()):
        if link.startswith(("http://", "https://")):
            continue
        name, _, anchor = link.partition("#")
        target = page.parent / name if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_exists(page):
    roots = (page.parent, ROOT, ROOT / "spawner", ROOT / "spawner" / "gpudock")
    named = FILE.findall(page.read_text())
    assert [name for name in named if not any((root / name).exists() for root in roots)] == []
