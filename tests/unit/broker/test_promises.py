"""The promises hold, whatever happens in whatever order."""

import os

from hypothesis import HealthCheck, settings

from fakes.machine import LabMachine

_THOROUGH = os.environ.get("GPUDOCK_TEST_THOROUGH")

TestPromises = LabMachine.TestCase
TestPromises.settings = settings(
    max_examples=5000 if _THOROUGH else 200,
    stateful_step_count=150 if _THOROUGH else 60,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
