"""A book for a bench: feeds taken into a home of their own."""

from collections.abc import Mapping
from pathlib import Path

from features.home import Home
from features.store import FeatureDoor


def taken_in(feeds: Mapping[str, Path], root: Path) -> FeatureDoor:
    """Take canonical feeds, by name, into the home at a folder, and return the door to it, without marts yet."""
    door = FeatureDoor(Home(root))
    for feed, path in feeds.items():
        door.lake.ingest(path, "canonical", feed)
    return door
