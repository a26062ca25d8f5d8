"""The name under which administrators' configurations refer to the spawner."""

from gpudock.hub.spawner import GPUDockerSpawner as GPUDockerSpawner
