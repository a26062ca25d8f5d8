"""JupyterHub's own templates are translated where Jinja reads them."""

from __future__ import annotations

import asyncio

import jinja2
import pytest

from gpudock.hub.stock_pages import STOCK_TEMPLATES, TEXTS, StockPages
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
