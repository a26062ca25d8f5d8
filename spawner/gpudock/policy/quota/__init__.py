"""Quotas: their documents, which limits are in force for a user, and what is used of them."""
