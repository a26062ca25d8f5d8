"""Who may, who is next, and which GPUs: pure functions over plain data.

Nothing here reads a clock, a file, a database or a setting; whatever a decision depends on is an
argument, so that the same code decides in the hub, in a forecast and in a simulation.
"""
