"""Where a home's online rows are."""

from features import feast_settings
from features.home import Home
from features.online_store.tables import NeverFilled, Tables, open_tables


def tables(home: Home) -> Tables:
    """Return the tables of a home's online store.

    Raises
    ------
    NeverFilled
        When nothing was ever materialized.
    """
    name = feast_settings.name(home)
    if name is None:
        raise NeverFilled
    return open_tables(feast_settings.online_location(home), name)


def near(home: Home) -> bool:
    """Tell whether the rows are in a file of this machine: then a row is there sooner than a thread begins."""
    return "://" not in feast_settings.online_location(home)
