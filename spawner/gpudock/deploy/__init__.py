"""What ``make up`` and ``make down`` do on the host: engine, base image, checks, simulated GPUs.

Everything here runs on the host's own Python with only the standard library, because it must work
before anything is installed.
"""
