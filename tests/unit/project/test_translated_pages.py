"""The Chinese pages follow the English ones that they translate."""

import importlib.util
import re
import shutil
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


def program():
    path = ROOT / "docs" / "translations.py"
    spec = importlib.util.spec_from_file_location("docs_translations", path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where dataclasses look it up
    spec.loader.exec_module(module)
    return module


translations = program()


@pytest.fixture
def copy(tmp_path):
    """A copy of all pages, whose translations are accepted."""
    for english, chinese in translations.TRANSLATIONS.items():
        for name in (english, chinese):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
        translations.Pair(tmp_path, english).accept()
    assert translations.problems(tmp_path) == []
    return tmp_path


def change(root, name, old, new):
    page = root / name
    text = page.read_text("utf-8")
    assert old in text
    page.write_text(text.replace(old, new, 1), "utf-8")


def test_each_translation_is_of_the_present_original():
    found = translations.problems()
    assert found == [], f'revise the translation, then run "{translations.COMMAND}"'


@pytest.mark.parametrize("english", translations.TRANSLATIONS)
def test_a_changed_sentence_names_its_section_until_it_is_accepted(copy, english):
    page = copy / english
    page.write_text(page.read_text("utf-8").rstrip() + "\n\nOne more sentence.\n", "utf-8")
    last = translations.Pair(copy, english).sections[-1]
    [found] = translations.problems(copy)
    assert f'"{last[0].title}", has changed' in found
    assert f'"{last[1].title}"' in found
    assert translations.Pair(copy, english).accept() == [last[1].title]
    assert translations.problems(copy) == []


def test_a_changed_heading_is_a_change_of_its_section(copy):
    change(copy, "docs/tutorial.md", "## 2. Sign in\n", "## 2. Log in\n")
    [found] = translations.problems(copy)
    assert '"2. Log in", has changed' in found


def test_a_changed_command_is_a_change_and_a_difference(copy):
    change(copy, "docs/tutorial.md", "make password\n", "make secret\n")
    changed, differs = translations.problems(copy)
    assert "has changed" in changed
    assert "the blocks of code differ" in differs


def test_lines_may_break_elsewhere(copy):
    change(
        copy, "docs/administration.md", "for a **group** of\nthe Hub", "for a **group**\nof the Hub"
    )
    assert translations.problems(copy) == []


@pytest.mark.parametrize(
    ("page", "old", "new", "problem"),
    [
        ("tutorial", "make down\n", "make stop\n", "the blocks of code differ"),
        ("tutorial", "```python\n", "```console\n", "the blocks of code differ"),
        ("administration", "| `gpu_models` |", "\n`gpu_models` |", "lines instead of"),
        ("README", "`make password`", "make password", "in code: make password"),
        ("README", "(../how-it-works.md)", "(../design.md)", "links to docs/"),
        ("README", "(tutorial.md)", "(../tutorial.md)", "(which is translated)"),
        ("administration", "(#闲置的会话)", "(#会话)", "links to docs/administration.md#"),
        ("administration", "### MIG\n", "## MIG\n", "on other levels"),
        ("administration", "### MIG\n", "", "on other levels"),
    ],
)
def test_what_a_translation_lacks_is_named(copy, page, old, new, problem):
    change(copy, f"docs/zh_CN/{page}.md", old, new)
    found = translations.problems(copy)
    assert any(problem in each for each in found), found


def test_a_translation_may_translate_comments_in_code(copy):
    change(copy, "docs/zh_CN/README.md", "# 每块 GPU", "# 各块 GPU")
    assert translations.problems(copy) == []


def test_a_translation_without_a_mark_is_not_accepted_yet(copy):
    page = copy / "docs/zh_CN/tutorial.md"
    page.write_text(re.sub(r"<!-- translates .*\n", "", page.read_text("utf-8")), "utf-8")
    assert len(translations.problems(copy)) == 8
    translations.Pair(copy, "docs/tutorial.md").accept()
    assert translations.problems(copy) == []


def test_a_comment_in_code_is_no_heading(copy):
    titles = [part.title for part in translations.sections("# A\n\n```shell\n# B\n```\n\n## C\n")]
    assert titles == ["A", "C"]


def test_what_lacks_headings_cannot_be_accepted(copy):
    change(copy, "docs/tutorial.md", "## 7. Stop the lab\n", "")
    with pytest.raises(translations.TranslationError, match="instead of 7"):
        translations.Pair(copy, "docs/tutorial.md")


def test_the_program_says_how_to_go_on(copy, capsys):
    change(copy, "README.md", "## Settings\n", "## Settings\n\nA new sentence.\n")
    assert translations.main([], copy) == 1
    assert translations.COMMAND in capsys.readouterr().out
    assert translations.main(["--accept", "docs/zh_CN/tutorial.md"], copy) == 1
    assert translations.main(["--accept"], copy) == 0
    assert 'Accepted: docs/zh_CN/README.md, "设置"' in capsys.readouterr().out
    assert translations.main([], copy) == 0
