"""Accounts of a lab that has no identity provider."""

from gpudock.hub.accounts.authenticator import GPUDockAuthenticator

__all__ = ["GPUDockAuthenticator"]
