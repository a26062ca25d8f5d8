"""What runs in the hub: the spawner, the start of a server, and the loops beside it."""
