"""JupyterHub with DockerSpawner as it comes: what its documentation has people write."""

import os

c = get_config()  # noqa: F821

c.JupyterHub.db_url = "sqlite:////srv/gpudock/jupyterhub.sqlite"
c.JupyterHub.cookie_secret_file = "/srv/gpudock/jupyterhub_cookie_secret"
c.JupyterHub.hub_ip = "0.0.0.0"
c.JupyterHub.hub_connect_ip = "hub"
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://proxy-api:8001"

c.JupyterHub.authenticator_class = "dummy"
c.Authenticator.allow_all = True

c.JupyterHub.spawner_class = "dockerspawner.DockerSpawner"
c.DockerSpawner.image = os.environ["BENCH_IMAGE"]
c.DockerSpawner.network_name = os.environ["BENCH_NETWORK"]
c.DockerSpawner.use_internal_ip = True
c.DockerSpawner.remove = True
c.DockerSpawner.prefix = os.environ["BENCH_NETWORK"]
c.DockerSpawner.notebook_dir = "/workspace"
c.DockerSpawner.volumes = {os.environ["BENCH_NETWORK"] + "-{username}": "/workspace"}

load_subconfig("/etc/bench/client.py")  # noqa: F821
