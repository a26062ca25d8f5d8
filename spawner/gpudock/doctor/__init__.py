"""``gpudock doctor``: what is wrong with a server or its lab, and how to fix it.

Each check is a function from readings to findings, so that it can be tested on any machine.
``host`` and ``engine`` need only the standard library, because ``make doctor`` runs them on the
server itself, where gpudock is not installed; ``lab`` runs in the hub's container.
"""
