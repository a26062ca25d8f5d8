"""An authenticator that an administrator chose is there, or one sentence says what to do."""

from __future__ import annotations

import pytest
from jupyterhub.auth import DummyAuthenticator, PAMAuthenticator

from gpudock.hub.authenticators import load_authenticator


@pytest.mark.parametrize(
    ("name", "found"),
    [("dummy", DummyAuthenticator), ("jupyterhub.auth.PAMAuthenticator", PAMAuthenticator)],
)
def test_it_is_found_by_its_registered_name_and_by_its_path(name, found):
    assert load_authenticator(name) is found


@pytest.mark.parametrize("name", ["ldapauthenticator.LDAPAuthenticator", "ldaap", "jupyterhub.No"])
def test_one_that_is_not_installed_is_one_sentence_with_the_way(name):
    with pytest.raises(SystemExit) as caught:
        load_authenticator(name)
    assert f'GPUDOCK_AUTHENTICATOR is "{name}"' in str(caught.value)
    assert "docs/administration.md" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_something_else_is_refused_with_what_there_is():
    with pytest.raises(SystemExit, match=r"not an authenticator .* dummy"):
        load_authenticator("pathlib.Path")
