"""Sampling, history, and the frames that every client receives."""
