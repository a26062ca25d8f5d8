"""The desk: the REST API and the pages of GPUs, sessions, quotas and usage.

It is a service of the Hub in a process of its own (``python -m gpudock.desk``). It learns from the
Hub whose token a request has, and shares the lab's database with the hub. It never migrates that
database, grants nothing, and has no access to Docker.

* :mod:`gpudock.desk.endpoints` declares what an endpoint is; routes, validation and the OpenAPI
  document come from the endpoints in :mod:`gpudock.desk.api`.
* :mod:`gpudock.desk.identity` is about rights; :mod:`gpudock.desk.hub_client` calls the Hub.
* :mod:`gpudock.desk.pages`, ``templates`` and ``static`` are what browsers see.
"""
