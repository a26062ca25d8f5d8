"""The documentation says what the sources say."""

import importlib.util
import re
from pathlib import Path

import pytest

from gpudock.config import settings

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("page", ["spawner.md", "rest.md"])
def test_a_reference_says_what_the_sources_say(page):
    spec = importlib.util.spec_from_file_location("reference", ROOT / "docs" / "make_reference.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (module.FOLDER / page).read_text() == module.PAGES[page](), "run «make docs»"


def test_the_readme_lists_every_setting_with_its_default():
    assert settings.markdown() in (ROOT / "README.md").read_text(), "run «make docs»"


def test_the_example_of_an_environment_file_lists_every_setting():
    assert (ROOT / ".env.example").read_text() == settings.example() + "\n", "run «make docs»"


@pytest.mark.parametrize("page", sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]))
def test_every_link_to_a_file_leads_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    missing = [
        link
        for link in links
        if not link.startswith(("http://", "https://")) and not (page.parent / link).exists()
    ]
    assert missing == []
