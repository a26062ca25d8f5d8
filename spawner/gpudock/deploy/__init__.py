"""What ``make up`` and ``make down`` do on the host: engine, base image, checks, pretend GPUs.

Everything here runs on the host's own Python with the standard library alone, because it has to
work before anything is installed.
"""
