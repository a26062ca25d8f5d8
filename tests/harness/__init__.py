"""What several tiers of tests share: a lab that is really up, and ways to talk to it."""
