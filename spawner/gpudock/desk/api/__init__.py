"""The endpoints of the REST API, one module for each kind of resource."""

from gpudock.desk.api import (
    audit,
    gpus,
    groups,
    leases,
    queue,
    quota_table,
    quotas,
    sessions,
    usage,
)

ENDPOINTS = tuple(
    endpoint
    for part in (gpus, leases, sessions, queue, quotas, quota_table, groups, usage, audit)
    for endpoint in part.router.endpoints
)
"""All endpoints."""

__all__ = ["ENDPOINTS"]
