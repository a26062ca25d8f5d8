"""From the click to a server that answers: stock DockerSpawner and gpudock, side by side."""
