"""GPU readings of this server, and the owners of the processes in them."""
