"""The container engine: what is asked of it, and how a container for a lease is described."""
