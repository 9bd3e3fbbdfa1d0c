"""The outside world: PostgreSQL, eBay, the environment, logs and keys."""
