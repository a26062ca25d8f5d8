"""The hub's background loops."""
