"""Commands that messages name as the way to fix something."""

GENERATE_CDI = "nvidia-ctk cdi generate --device-name-strategy=uuid --output=/etc/cdi/nvidia.yaml"
"""Writes the CDI specification of all GPUs and MIG slices, with UUIDs as names. Leases name devices
by UUID, because numbers may change when the server boots."""
