"""Decisions of core, with fakes."""
