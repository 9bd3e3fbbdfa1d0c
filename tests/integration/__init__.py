"""One adapter against the real thing."""
