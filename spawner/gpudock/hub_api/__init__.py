"""JupyterHub's REST API, as hub and desk call it."""

from gpudock.hub_api.client import HubAPI, HubGroup, HubUser
from gpudock.hub_api.errors import HubError, HubRejectedError, HubUnavailableError

__all__ = ["HubAPI", "HubError", "HubGroup", "HubRejectedError", "HubUnavailableError", "HubUser"]
