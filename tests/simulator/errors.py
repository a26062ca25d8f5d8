"""What goes wrong with simulated GPUs, said to the person who tried them."""


class SimulatorError(Exception):
    """A sentence that says what happened, why, and what to do."""
