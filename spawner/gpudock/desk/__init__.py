"""The desk: the REST API and the pages of GPUs, sessions, quotas and their use.

It is a service of the Hub in a process of its own (``python -m gpudock.desk``). It knows people by
what the Hub says of their tokens, and the lab by the database that it shares with the hub; it never
migrates that database, grants nothing and has no Docker.

* :mod:`gpudock.desk.endpoints` declares what can be asked; routes, validation and the OpenAPI
  document come from the same declarations, which are in :mod:`gpudock.desk.api`.
* :mod:`gpudock.desk.identity` is about who may do what; :mod:`gpudock.desk.hub_client` asks the
  Hub.
* :mod:`gpudock.desk.pages`, ``templates`` and ``static`` are what browsers see.
"""
