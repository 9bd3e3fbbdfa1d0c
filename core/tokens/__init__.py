"""Keeping access tokens fresh, one refresh at a time."""
