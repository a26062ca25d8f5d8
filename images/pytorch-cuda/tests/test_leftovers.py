"""Nothing of the machine that built the image is in it."""

import os
from pathlib import Path


def test_no_certificate_authority_of_the_builder_is_left():
    for name in ("SSL_CERT_FILE", "PIP_CERT", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE"):
        assert name not in os.environ, name
    for path in ("/run/secrets", "/run/with-ca", "/dev/shm/apt-ca.conf"):
        assert not Path(path).exists(), path


def test_no_package_lists_and_caches_are_left():
    lists = Path("/var/lib/apt/lists")
    assert not any(path.is_file() for path in lists.rglob("*Packages*"))
    assert not list(Path("/var/cache/apt").rglob("*.deb"))
    assert not (Path.home() / ".cache").exists()
