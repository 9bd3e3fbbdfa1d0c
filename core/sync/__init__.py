"""Bringing an account's streams into the database: windows, pages, cursors."""
