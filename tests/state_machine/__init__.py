"""Test doubles that behave: each is named for how."""
