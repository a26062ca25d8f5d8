"""The promises hold, whatever happens in whatever order."""

import os

from hypothesis import HealthCheck, settings

from state_machine.rules import LabMachine

# A few for the inner loop; «make test-promises» asks for thousands of steps, the same each time.
# GPUDOCK_TEST_RANDOM=1 takes other steps at every run, to find what nobody has thought of.
EXAMPLES = int(os.environ.get("GPUDOCK_TEST_EXAMPLES", "20"))
RANDOM = os.environ.get("GPUDOCK_TEST_RANDOM") == "1"

TestPromises = LabMachine.TestCase
TestPromises.settings = settings(
    max_examples=EXAMPLES,
    stateful_step_count=60,
    deadline=None,
    derandomize=not RANDOM,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)
