"""The agent: reads the NVIDIA GPUs of one host and serves what it reads over HTTP.

``python -m gpudock.agent`` runs in a container that sees every GPU. :mod:`.nvml` is the only module
on the hub's side that talks to the driver; :mod:`.document` is what the agent and its readers have
in common, and imports neither the driver's library nor a server.
"""
