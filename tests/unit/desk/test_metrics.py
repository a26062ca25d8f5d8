"""The metrics that Prometheus reads."""

from gpudock.desk.metrics import Snapshot, encode


def test_an_empty_lab_has_metrics():
    body, content_type = encode(Snapshot(gpus=[], sessions=[], queue=[], now=0.0), "")
    assert b"gpudock_waiting_requests 0.0" in body
    assert content_type.startswith("text/plain")
