"""JupyterHub's configuration for gpudock.

Settings come from the environment; docs/reference/settings.md lists them. For anything else add
``*.py`` files to ``jupyterhub_config.d`` next to docker-compose.yml. They are loaded last and can
use ``c``.
"""

import os
import secrets
import sys
from pathlib import Path

from tornado.httpserver import HTTPServer

import gpudock
from gpudock.config import configured_groups
from gpudock.config import shared_volume as shared
from gpudock.config.extra_config import FOLDER, RECORD
from gpudock.config.parsers import MIN_PASSWORD_LENGTH
from gpudock.config.settings import Settings, contradictions
from gpudock.engine.client import DockerEngine
from gpudock.hub import extra_config, groups, hub_api_rules, stops
from gpudock.hub import roles as hub_roles
from gpudock.hub.accounts.changes import withhold_routes_of_deactivated
from gpudock.hub.authenticators import load_authenticator
from gpudock.hub.database import SQLITE_ARGUMENTS
from gpudock.hub.logo import logo_handler
from gpudock.hub.pages import install_pages
from gpudock.hub.runtime import Runtime, RuntimeConfig
from gpudock.hub.sizing import memory_limit
from gpudock.hub.stock_pages import StockPages
from gpudock.language.templates import Translated

settings = Settings.from_environ(os.environ)
for contradiction in contradictions(settings, os.environ):
    sys.stderr.write(f"gpudock: {contradiction}\n")
state = Path.cwd()  # the hub's volume, for everything that must outlive the hub
# Shared with the desk, in a separate volume.
shared_directory = shared.open_shared(state, settings.db_url)

c = get_config()  # noqa: F821

# The Hub. The proxy does the binding, so only the path matters here.
c.JupyterHub.bind_url = f"http://:8000{settings.base_url}"
c.JupyterHub.db_url = f"sqlite:///{state / 'jupyterhub.sqlite'}"
c.JupyterHub.db_kwargs = {"connect_args": SQLITE_ARGUMENTS}
c.JupyterHub.cookie_secret_file = str(state / "jupyterhub_cookie_secret")
# All addresses, of IPv4 and IPv6. It is in a container, and the port is not published.
c.JupyterHub.hub_ip = ""
c.JupyterHub.hub_connect_ip = "hub"
# The Hub reads a request's body before it knows whose it is; no form or API call of its own has one
# that comes near this. Uploads go through the proxy to users' servers, and not through the Hub.
HTTPServer.configure(None, max_body_size=2**20, body_timeout=60)
# Users' containers, the proxy and its routes outlive the Hub.
c.JupyterHub.cleanup_servers = False
c.JupyterHub.cleanup_proxy = False
c.ConfigurableHTTPProxy.should_start = False
c.ConfigurableHTTPProxy.api_url = "http://proxy-api:8001"
c.JupyterHub.template_paths = [str(Path(gpudock.__file__).parent / "hub" / "templates" / "hub")]
c.JupyterHub.jinja_environment_options = {"extensions": [Translated, StockPages]}
extra_configuration = Path(__file__).parent / FOLDER
c.JupyterHub.template_vars = {
    "lab_name": settings.lab_name or "",
    "lab_logo": settings.lab_logo is not None,
}
if settings.lab_logo is not None:
    c.JupyterHub.extra_handlers = [logo_handler(extra_configuration / settings.lab_logo)]
install_pages()
c.JupyterHub.allow_named_servers = True
c.JupyterHub.named_server_limit_per_user = 3
# Waiting for a GPU is a pending spawn, and any number of users may wait.
c.JupyterHub.concurrent_spawn_limit = 0
# Several failed starts in a row may be the engine's fault, and must not end the Hub.
c.Spawner.consecutive_failure_limit = 0

# Sign-in. Names appear in URLs, headers and logs.
c.Authenticator.username_pattern = r"[a-z0-9][a-z0-9._@+-]{0,63}\Z"
# A blocked user's access ends within a minute, and they cannot start a server.
c.Authenticator.auth_refresh_age = 60
c.Authenticator.refresh_pre_spawn = True
if settings.authenticator in ("native", "dummy"):
    c.Authenticator.admin_users = {settings.admin}
    c.Authenticator.allow_all = True  # native itself asks for an administrator's approval
elif "GPUDOCK_ADMIN" in os.environ:
    # With other authenticators anyone might be called "admin", so the name must be set explicitly.
    c.Authenticator.admin_users = {settings.admin}
if settings.authenticator == "native":
    c.JupyterHub.authenticator_class = "gpudock.hub.accounts.GPUDockAuthenticator"
    withhold_routes_of_deactivated()
    c.GPUDockAuthenticator.first_admin = settings.admin
    c.GPUDockAuthenticator.first_admin_password = settings.admin_password or ""
    c.GPUDockAuthenticator.one_time_password_file = str(state / "admin-password")
    c.GPUDockAuthenticator.minimum_password_length = MIN_PASSWORD_LENGTH
    c.GPUDockAuthenticator.check_common_password = True
    c.GPUDockAuthenticator.allowed_failed_logins = 5
    c.GPUDockAuthenticator.seconds_before_next_try = 300
    # Its names in the two networks that it shares with the hub, see docker-compose.yml.
    c.GPUDockAuthenticator.proxy_hosts = ["proxy-api", "proxy-lab"]
else:
    c.JupyterHub.authenticator_class = load_authenticator(settings.authenticator)

# Users' servers.
c.JupyterHub.spawner_class = "gpudock.spawner.GPUDockerSpawner"
c.GPUDockerSpawner.lab = settings.network
c.GPUDockerSpawner.network_name = settings.network
c.GPUDockerSpawner.image = settings.images[0].name
c.GPUDockerSpawner.allowed_images = {image.label: image.name for image in settings.images}
c.GPUDockerSpawner.own_user_images = [i.name for i in settings.images if i.own_user]
c.GPUDockerSpawner.workspace = settings.workspaces.pattern
c.GPUDockerSpawner.api_url = f"http://proxy:8000{shared.desk_prefix(settings.base_url)}api/v1"
c.GPUDockerSpawner.mem_limit = memory_limit(settings)
c.GPUDockerSpawner.cpu_limit = settings.cpu_limit
c.GPUDockerSpawner.pids_limit = settings.pids_limit
c.GPUDockerSpawner.shm_size = settings.shm_size * 2**20
queue_hours = settings.queue_timeout_hours
c.GPUDockerSpawner.queue_timeout = None if queue_hours is None else queue_hours * 3600

# The hub's own access to its REST API. It restarts the servers of waiting users after a restart of
# the hub, adopts running containers that the Hub does not know, and checks whether a lease's user
# still exists.
resume_token = secrets.token_hex(32)
resume = {"name": "gpudock-resume", "api_token": resume_token}

# The desk: pages and REST API, in its own container. Every user can use it.
desk = {
    "name": shared.DESK_NAME,
    "url": settings.desk_url,
    "api_token": shared.secret(shared_directory / shared.DESK_TOKEN),
    "timeout": 1,  # the Hub's start does not wait for the desk
    "oauth_no_confirm": True,
    "oauth_client_allowed_scopes": [hub_roles.MANAGE, hub_roles.READ],
    "display": False,  # templates/hub/page.html has the link
}
c.JupyterHub.services = [resume, desk]
c.JupyterHub.custom_scopes = hub_roles.CUSTOM_SCOPES
c.JupyterHub.extra_user_scopes = [hub_roles.ACCESS]
c.Spawner.server_token_scopes = hub_roles.SERVER_TOKEN_SCOPES
hub_roles.extend_admin_role()
hub_api_rules.install()
stops.record_who_stops()
c.JupyterHub.load_roles = [
    {"name": "gpudock-resume", "scopes": ["servers", "list:users"], "services": ["gpudock-resume"]},
    {"name": "gpudock-desk", "scopes": hub_roles.DESK_SCOPES, "services": [shared.DESK_NAME]},
]

docker_url = f"unix://{settings.docker_socket}"
Runtime.install(
    Runtime(
        RuntimeConfig(
            lab=settings.network,
            docker_url=docker_url,
            network=settings.network,
            agent_network=settings.agent_network or settings.network,
            database_url=settings.db_url,
            shared_directory=shared_directory,
            default_quota=settings.default_quota,
            leftover_memory_mib=settings.leftover_memory,
            agent_image=settings.agent_image,
            hub_api_url=f"http://127.0.0.1:8081{settings.base_url}hub/api",
            hub_api_token=resume_token,
            engine_patience=5.0,
            desk_url=settings.desk_url,
        ),
        DockerEngine(docker_url, settings.network, settings.observers or ()),
    )
)

extra_config.load(extra_configuration, c, state / RECORD.name, settings.lab_logo)

# Last, because the files above may have groups. The desk shows what it cannot change.
configured_groups.publish(groups.configured_groups(c), shared_directory)
