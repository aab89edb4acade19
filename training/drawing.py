"""Plots of libraries that know pyplot alone."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def aside() -> Iterator[None]:
    """Draw to files alone within a block; whoever shows figures, as a notebook does, goes on doing so after it."""
    import matplotlib

    shown = matplotlib.get_backend()
    matplotlib.use("Agg")
    try:
        yield
    finally:
        matplotlib.use(shown)
