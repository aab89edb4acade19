"""How long work tells what it does."""

from collections.abc import Callable

Progress = Callable[[str], object]
"""Is told a line per step."""
