"""How fairly and how soon a busy lab serves its users: replays through the queue's own rules."""
