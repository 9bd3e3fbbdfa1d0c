"""How a chaos test tells what it caused."""

from collections.abc import Callable

Caused = Callable[[str], None]
