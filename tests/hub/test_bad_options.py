"""Options that are not available are refused with one clear sentence, and leave nothing behind."""

from __future__ import annotations

import html

import pytest

# What is asked for, and a part of the sentence that answers.
BAD = [
    ({"gpus": -1}, '"-1" is not a number of GPUs. Give a whole number'),
    ({"gpus": 1.5}, '"1.5" is not a number of GPUs'),
    ({"gpus": "many"}, '"many" is not a number of GPUs'),
    ({"gpus": "1e3"}, '"1e3" is not a number of GPUs'),
    ({"gpus": "٣"}, '"٣" is not a number of GPUs'),
    ({"gpus": 10**30}, "is not a number of GPUs"),
    ({"gpus": 3}, "Your quota allows 1 GPU at once, and this server asks for 3."),
    ({"image": "evil/image:latest"}, 'The image "evil/image:latest" is not on this lab\'s list.'),
    ({"image": "x" * 5000}, "is not on this lab's list. Choose one of: lab/notebook:1"),
    ({"gpu_model": "A100; rm -rf /"}, '"A100; rm -rf /" is not a GPU model.'),
    ({"gpu_model": "H100"}, 'No GPU of this lab matches the model "H100".'),
    ({"share": "shared"}, "This lab does not share GPUs between users. Ask for an exclusive GPU."),
    ({"share": "half"}, '"half" is not a valid value for the option "share".'),
    ({"when_busy": "panic"}, '"panic" is not a valid value for the option "when_busy".'),
    ({"gpu": 1}, 'There is no option "gpu". Did you mean "gpus"?'),
    ({"image": "<script>alert(1)</script>"}, 'The image "<script>alert(1)</script>" is not on'),
]
NOT_IN_FORMS = [
    ({"gpus": True}, '"True" is not a number of GPUs'),
    ({"gpus": {"count": 1}}, "is not a number of GPUs"),
    ({"image": 7}, 'The image "7" is not on this lab\'s list.'),
    ({"image": {"$ne": ""}}, "is not on this lab's list."),
    ({"when_busy": ["wait", "fail"]}, 'The option "when_busy" was given 2 times. Give it once.'),
]
names = {"ids": lambda value: str(value)[:40] if isinstance(value, dict) else ""}


@pytest.fixture
def ada(hub):
    hub.docker.calls.clear()
    yield hub.client("ada")
    assert hub.leases() == {}
    assert hub.queue() == []
    assert hub.docker.calls_of("create") == []


@pytest.mark.parametrize(("options", "sentence"), BAD + NOT_IN_FORMS, **names)
def test_a_bad_option_is_refused_through_rest(ada, options, sentence):
    assert sentence in ada.refusal(**options)


def test_a_bad_option_of_a_named_server_is_refused(ada):
    assert '"-1" is not a number of GPUs' in ada.refusal("second", gpus=-1)


def test_a_refusal_has_the_status_of_a_mistake_of_the_client(new_hub):
    patient = 'c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 60, "slow_stop_timeout": 5}\n'
    ada = new_hub(extra=patient).start().client("ada")
    assert ada.ask_for_server(gpus="many").status_code == 400
    assert ada.ask_for_server(gpus=3).status_code == 409


def shown_error(answer) -> str:
    """What the page says, without its mark-up; the page must not have been broken out of."""
    assert "<script>alert" not in answer.text
    return html.unescape(answer.text)


@pytest.mark.parametrize(("options", "sentence"), BAD, **names)
def test_a_bad_option_is_told_on_the_form(ada, options, sentence):
    answer = ada.spawn_form(**options)
    assert sentence in shown_error(answer)
    assert answer.status_code in (400, 409)
    assert "Traceback" not in answer.text


@pytest.mark.parametrize(("options", "sentence"), BAD, **names)
def test_a_bad_option_in_a_link_is_told_on_the_form(ada, options, sentence):
    answer = ada.page("/hub/spawn", **{f"opt-{name}": value for name, value in options.items()})
    assert sentence in shown_error(answer)
    assert answer.status_code in (400, 409)


def test_what_the_quota_forbids_is_told_on_the_form_however_slow_the_engine_is(ada, hub):
    sentence = "Your quota allows 1 GPU at once, and this server asks for 3."
    with hub.docker.hold("image"):
        assert sentence in shown_error(ada.spawn_form(gpus="3"))
        assert sentence in shown_error(ada.page("/hub/spawn", **{"opt-gpus": "3"}))


def test_an_option_that_is_given_twice_is_refused(ada):
    sentence = 'The option "gpus" was given 2 times. Give it once.'
    assert sentence in shown_error(ada.spawn_form(gpus=["0", "1"]))
    assert sentence in shown_error(ada.page("/hub/spawn", **{"opt-gpus": ["0", "1"]}))


@pytest.mark.parametrize("body", [[1], "gpus", 7], ids=repr)
def test_options_that_are_no_object_are_refused(ada, body):
    answer = ada.api("POST", "/users/ada/server", body)
    assert 400 <= answer.status_code < 500
    assert "object" in answer.json()["message"]
