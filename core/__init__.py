"""Decisions: what runs, units and cursors are, and what becomes of them."""
