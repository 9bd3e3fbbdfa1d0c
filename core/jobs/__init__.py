"""Durable work: jobs, their kinds, and the drain that performs them."""
