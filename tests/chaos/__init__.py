"""Chaos: a lab on a real engine whose parts fail at random while people use it."""
