"""The server extension and the services behind its routes."""
