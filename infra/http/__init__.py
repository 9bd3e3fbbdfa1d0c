"""HTTP with limits of time and size, whoever answers."""
