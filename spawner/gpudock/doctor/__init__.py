"""``gpudock doctor``: what is wrong with a server or its lab, and how to mend it.

Each check is a function from what was read to findings, so that it can be tested without the
machine that it is about. ``host`` and ``engine`` need the standard library alone, because «make
doctor» runs them on the server itself, where gpudock is not installed; ``lab`` runs in the hub's
container.
"""
