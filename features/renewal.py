"""One entity's row in the online store, made anew from the lake between two materializations."""

from dataclasses import replace

import polars as pl

from features import marts, online_home
from features.home import Home
from features.lake import Lake
from features.marts import MARTS
from features.marts.timeline import KNOWN, LEARNT
from features.online_store import rows
from features.online_store.tables import NeverFilled


def renew(home: Home, mart: str, key: str) -> bool:
    """Bring a mart's row of one entity up to date with what the lake holds now.

    Parameters
    ----------
    home : Home
    mart : str
        One whose feeds all name its entity, such as ``contact``.
    key : str
        The entity.

    Returns
    -------
    bool
        False where there is nothing to bring up to date: the store was never filled.

    Raises
    ------
    RecoupError
        When the store holds rows of other definitions, cannot be written, or was changed meanwhile.
    """
    try:
        tables = online_home.tables(home)
    except NeverFilled:
        return False
    entity, lake = MARTS[mart].ENTITY, Lake(home)
    with tables.writing() as change:
        standing = change.plan.get(mart)
        if standing is None:
            return False
        # read within the change: of two writers the later one has seen all that the former has
        table = marts.build(mart, {feed: lake.scan(feed).filter(pl.col(entity) == key) for feed in MARTS[mart].FEEDS})
        packed = rows.pack(standing.layout, table.tail(1).to_arrow(), KNOWN, LEARNT)
        change.put(mart, [(key, row) for row in packed])
        change.stand(mart, replace(standing, source=None))
    return True
