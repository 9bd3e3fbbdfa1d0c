"""Telegram, as a bot talks to it."""
