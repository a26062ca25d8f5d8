"""The lease of this server, as the hub's desk reports it."""
