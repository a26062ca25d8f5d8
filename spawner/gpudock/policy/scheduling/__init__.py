"""Scheduling: who is next, and which GPUs they get."""
