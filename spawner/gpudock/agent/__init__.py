"""The agent: reads the NVIDIA GPUs of one host and serves what it reads over HTTP.

``python -m gpudock.agent`` runs in a container that sees every GPU. On the hub's side only this
package reads NVML, through :mod:`gpudock_nvml`. The agent and its clients share :mod:`.document`,
which imports neither NVML nor a server.
"""
