"""The promises hold, whatever happens in whatever order."""

import os

from hypothesis import HealthCheck, settings

from state_machine.machine import LabMachine

# A few for the inner loop; `make test-promises` asks for thousands of steps.
EXAMPLES = int(os.environ.get("GPUDOCK_TEST_EXAMPLES", "20"))

TestPromises = LabMachine.TestCase
TestPromises.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
