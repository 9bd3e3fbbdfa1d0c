"""Entry points: an event, a request or a command in, one run, its report out."""
