"""gpudock: a self-hosted JupyterHub on which every user gets a GPU of their own."""

__version__ = "0.1.0"
