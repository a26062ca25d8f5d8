"""The container engine: its protocol, the Docker client, and the spec of a lease's container."""
