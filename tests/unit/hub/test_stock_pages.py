"""JupyterHub's own templates are translated where Jinja reads them."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import jinja2
import pytest

import gpudock.desk
from gpudock.hub.stock_pages import REWORDED, STOCK_TEMPLATES, TEXTS, StockPages
from gpudock.language.catalog import read_in
from gpudock.language.templates import Translated


@pytest.fixture(scope="module")
def environment():
    return jinja2.Environment(
        autoescape=True,
        extensions=[Translated, StockPages],
        loader=jinja2.FileSystemLoader(STOCK_TEMPLATES),
    )


@pytest.fixture(scope="module")
def sources(environment):
    return {
        file.name: environment.preprocess(file.read_text(), file.name, str(file))
        for file in STOCK_TEMPLATES.glob("*.html")
    }


def test_each_known_text_is_in_a_template_of_this_jupyterhub(sources):
    everything = "".join(sources.values())
    missing = [text for text in TEXTS if f'{{{{ "{text}"|stock_text }}}}' not in everything]
    assert not missing, "JupyterHub says it differently now, or nowhere"


def test_the_frame_names_the_language(sources):
    assert '<html lang="{{ language_tag() }}">' in sources["page.html"]
    assert "{{ title|stock_text }}" in sources["page.html"]
    assert "stock_options" in sources["token.html"]
    assert "['description']|stock_text" in sources["oauth.html"]
    assert 'id="gpudock-login-error" role="alert">{{ login_error }}' in sources["login.html"]


def test_browsers_do_not_translate_what_scripts_render(sources):
    # Chrome's translation replaces texts that React keeps, and React fails.
    assert '<div id="react-admin-hook" translate="no">' in sources["admin.html"]
    desk = Path(gpudock.desk.__file__).parent / "templates" / "section.html"
    assert '<div id="gpudock-desk" translate="no"' in desk.read_text()


def test_a_template_that_was_read_once_is_shown_in_each_language(environment):
    source = environment.preprocess(
        '<button title="Show password">Start</button>', None, str(STOCK_TEMPLATES / "x.html")
    )
    button = environment.from_string(source)

    async def render(header):
        read_in(header)
        return button.render()

    english = '<button title="Show password">Start</button>'
    assert asyncio.run(render("en")) == english
    assert asyncio.run(render("zh")) == '<button title="显示密码">启动</button>'
    assert asyncio.run(render("en")) == english


def test_other_templates_stay_as_they_are(environment):
    source = "<p>Start</p>"
    assert environment.preprocess(source, "mine.html", "/elsewhere/mine.html") == source
    assert environment.preprocess(source, None, None) == source


def test_what_never_happens_is_named(sources):
    assert '"Never used"|stock_text' in sources["home.html"]
    dates = re.findall(
        r"(last_activity|expires_at)\W+isoformat[^N]*?\"(Never \w+)\"", sources["token.html"]
    )
    assert sorted(set(dates)) == [("expires_at", "Never expires"), ("last_activity", "Never used")]
    # Those of tokens, and of applications.
    assert len(dates) == 3


@pytest.mark.parametrize(("stock", "said"), REWORDED.items())
def test_some_texts_are_said_in_the_labs_own_words(stock, said, environment):
    source = environment.preprocess(f"<p>{stock}</p>", None, str(STOCK_TEMPLATES / "x.html"))
    assert environment.from_string("{{ stock|stock_text }}").render(stock=stock) == said
    if stock in TEXTS:
        assert environment.from_string(source).render() == f"<p>{said}</p>"
