"""Adapters over PostgreSQL; the only place that connects."""
