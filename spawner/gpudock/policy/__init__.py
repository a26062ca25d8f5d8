"""Who may use GPUs, who is next, and which GPUs they get: pure functions over plain data.

Nothing here reads a clock, a file, a database or a setting. A decision depends on its arguments
alone, so the same code decides in the hub, in a preview and in a simulation.
"""
