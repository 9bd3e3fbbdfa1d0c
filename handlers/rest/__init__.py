"""The REST API: one router for each thing that it shows or changes."""
