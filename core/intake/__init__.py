"""Court judgments by CSV: an example of kinds that a team adds, and of use by itself."""
