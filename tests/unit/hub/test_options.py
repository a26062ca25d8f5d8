"""Spawn options from a form, a query string or a REST body."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpudock.hub.errors import OptionError
from gpudock.hub.options import Offers, parse, parse_remembered
from gpudock.model import MAX_GPUS, Share, WhenBusy

OFFERS = Offers(images={"PyTorch 2.6": "gpudock/pytorch-cuda:v2.6", "Own": "lab/own:1"})


def test_no_options_mean_the_first_image_and_one_gpu():
    options = parse({}, OFFERS)
    assert (options.image, options.gpus) == ("gpudock/pytorch-cuda:v2.6", 1)
    assert (options.share, options.when_busy) == (Share.EXCLUSIVE, WhenBusy.WAIT)


def test_form_and_rest_mean_the_same():
    form = {"image": ["Own"], "gpus": ["2"], "gpu_model": [""], "when_busy": ["cpu"]}
    rest = {"image": "lab/own:1", "gpus": 2, "when_busy": "cpu"}
    assert parse(form, OFFERS) == parse(rest, OFFERS)


def test_parsed_options_survive_the_hubs_database():
    options = parse({"gpus": 2, "gpu_model": "A100*"}, OFFERS)
    assert parse(options.as_user_options(), OFFERS) == options


def test_what_is_remembered_and_no_longer_offered_costs_no_other_choice():
    raw = {"image": "lab/gone:1", "gpus": 2, "when_busy": "cpu", "share": [1, 2], "other": "thing"}
    options = parse_remembered(raw, OFFERS)
    assert options == parse({"gpus": 2, "when_busy": "cpu"}, OFFERS)
    assert parse_remembered({}, OFFERS) == parse({}, OFFERS)


@pytest.mark.parametrize(
    "gpus", [-1, "-1", 1.5, "1.5", True, "nan", "inf", "1e3", 10**40, "9" * 30, "９", [1, 2], {}]
)
def test_what_is_no_number_of_gpus_is_refused_in_one_sentence(gpus):
    with pytest.raises(OptionError) as caught:
        parse({"gpus": gpus}, OFFERS)
    assert len(str(caught.value)) < 200
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        ({"image": "evil/image"}, "not on this lab's list"),
        ({"image": ["../x"]}, "not on this lab's list"),
        ({"image": 3}, "not on this lab's list"),
        ({"gpu": 1}, 'Did you mean "gpus"'),
        ({"share": "both"}, 'not a valid value for the option "share"'),
        ({"when_busy": "later"}, 'not a valid value for the option "when_busy"'),
        ({"gpu_model": "A100\nX"}, "not a GPU model"),
        ({"gpu_model": "x" * 101}, "not a GPU model"),
    ],
)
def test_bad_options_are_told_what_to_do(raw, says):
    with pytest.raises(OptionError, match=says):
        parse(raw, OFFERS)


@pytest.mark.integration
@given(
    st.dictionaries(
        st.sampled_from(["image", "gpus", "gpu_model", "share", "when_busy", "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
            lambda children: st.lists(children) | st.dictionaries(st.text(), children),
            max_leaves=5,
        ),
    )
)
def test_any_json_is_either_taken_or_refused_in_words(raw):
    try:
        options = parse(raw, OFFERS)
    except OptionError as error:
        assert str(error)
        assert "\n" not in str(error)
    else:
        assert 0 <= options.gpus <= MAX_GPUS
        assert options.image in OFFERS.images.values()
