"""Clocks, fakes, databases and servers that tests are made of."""
