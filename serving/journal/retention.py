"""Old decisions removed: `recoup journal expire`."""

from datetime import UTC, datetime, timedelta

from features.errors import RecoupError
from features.files import locked
from features.home import Home
from serving.journal import chain
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
        The names of the files removed.

    Raises
    ------
    RecoupError
        When ``keep_days`` is less than 1, or the journal was begun under another ``RECOUP_JOURNAL_KEY``.
    """
    if keep_days < 1:
        raise RecoupError(f"{keep_days} days would expire today's decisions: keep one day or more")
    folder, first = home.journal, f"{datetime.now(UTC) - timedelta(days=keep_days):%Y%m%d}"
    if not folder.is_dir():
        return []
    with locked(folder):
        manifest = Manifest(folder, chain.chain_key())
        if left := manifest.left_open():
            manifest.add(*left)
        over = [name for name, listed in manifest.files().items() if name[:8] < first and listed.last is not None]
        present = [path for name in over if (path := folder / f"{name}.jsonl").is_file()]
        if present:
            manifest.add(*[expired(path.stem) for path in present])
        for path in present:
            path.unlink()
    return [path.name for path in present]
