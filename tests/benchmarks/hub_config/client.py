"""What both hubs add to their configuration: the benchmark may ask for servers over REST."""

import os

c = get_config()  # noqa: F821

c.JupyterHub.services.append({"name": "bench", "api_token": os.environ["BENCH_TOKEN"]})
c.JupyterHub.load_roles.append(
    {
        "name": "bench",
        "scopes": ["admin:users", "admin:servers", "access:servers"],
        "services": ["bench"],
    }
)
# A request for a server is answered at once; how it goes on is read from the progress stream.
c.JupyterHub.tornado_settings = {"slow_spawn_timeout": 0}
# On a busy machine a burst may take longer than the Hub's patience; that is to be measured as well.
c.Spawner.http_timeout = 180
