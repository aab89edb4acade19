"""Old decisions removed: `recoup journal expire`."""

from datetime import UTC, datetime, timedelta

from features.errors import RecoupError
from features.home import Home
from serving.journal import chain, keeper, tables
from serving.journal.manifest import Manifest, expired


def expire(home: Home, keep_days: int) -> list[str]:
    """Remove the files of days before the last few; the manifest keeps their last digests.

    A file that is still open is kept; one that a crash left open is ended first.

    Parameters
    ----------
    home : Home
    keep_days : int
        How many days before today (UTC) are kept; 1 or more.

    Returns
    -------
    list of str
        The files removed.

    Raises
    ------
    RecoupError
        When ``keep_days`` is less than 1, or the journal was begun under another ``RECOUP_JOURNAL_KEY``.
    """
    if keep_days < 1:
        raise RecoupError(f"{keep_days} days would expire today's decisions: keep one day or more")
    given, first = keeper.settings(home), f"{datetime.now(UTC) - timedelta(days=keep_days):%Y%m%d}"
    with given.keeper().shelf(alone=True) as shelf:
        manifest = Manifest(shelf, given.key)
        if left := manifest.left_open():
            manifest.add(*left)
        there = set(shelf.names())
        over = [name for name, listed in manifest.files().items()
                if name in there and name[:8] < first and listed.last is not None]  # fmt: skip
        if over:
            manifest.add(*map(expired, over))
        links = (link for name in over for link in chain.links(shelf.lines(name), given.key) if link.sound)
        shelf.remove_tables([file for link in links for file in tables.files(link.content)])
        shelf.remove(over)
    return over
