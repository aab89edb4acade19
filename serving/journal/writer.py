"""What one process adds to the journal of a home: a file at a time, kept open."""

import atexit
import logging
import secrets
import threading
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import cache

from features.errors import RecoupError
from serving.journal.files import Name, OpenFile
from serving.journal.keeper import Settings
from serving.journal.manifest import Manifest, begun, ended

_LONGEST_PAUSE = 60.0
_log = logging.getLogger(__name__)


class Writer:
    """Writes one file after another; threads may share it, processes may not."""

    def __init__(self, given: Settings):
        self._given, self._keeper = given, given.keeper()
        self._lock, self._stop = threading.Lock(), threading.Event()
        self._file: OpenFile | None = None

    def write(self, bodies: list[bytes]) -> list[str]:
        """Write records, all or none, so that they outlive this process.

        Returns
        -------
        list of str
            Their decision ids.

        Raises
        ------
        RecoupError
            When they cannot be written; the next call tries anew.
        """
        try:
            with self._lock:
                now = datetime.now(UTC)
                file = self._current(f"{now:%Y%m%d}")
                ids, size = file.write(bodies, now.isoformat()), file.size
            if self._keeper.waits:
                file.sync(size)
        except OSError as error:
            raise self._refused(error) from error
        return ids

    def require_writable(self) -> None:
        """Refuse where a decision made now could not be written; begins a file when none is open.

        Raises
        ------
        RecoupError
            When there is no file, or no room for more.
        """
        try:
            with self._lock:
                self._current(f"{datetime.now(UTC):%Y%m%d}").require_present()
            self._keeper.require_room()
        except OSError as error:
            raise self._refused(error) from error

    def close(self, only: OpenFile | None = None) -> None:
        """End the file that is open, or only if it is that one; a later `write` begins another."""
        try:
            with self._lock:
                if only in (None, self._file):
                    self._end()
        except (OSError, RecoupError) as error:
            _log.error("the journal's file was left open: %s", error)

    def _refused(self, error: OSError) -> RecoupError:
        why = error.strerror or error
        return RecoupError(f"the journal in {self._keeper} cannot be written, so nothing is answered: {why}")

    def _current(self, day: str) -> OpenFile:
        """Return the file to write to; begins one when none fits."""
        file = self._file
        if file is not None and not file.broken and file.name.day == day and file.size < self._given.file_bytes:
            return file
        before = file if file is not None and not file.broken else None
        self._end()
        self._file = self._begin(before.name.next(day) if before else Name(day, secrets.token_hex(5), 1), before)
        self._stop = threading.Event()
        threading.Thread(target=self._keep, args=(self._file, self._stop), name="journal", daemon=True).start()
        return self._file

    def _begin(self, name: Name, before: OpenFile | None) -> OpenFile:
        with ExitStack() as undo:
            with self._keeper.shelf(alone=True) as shelf:
                manifest = Manifest(shelf, self._given.key)
                left = manifest.left_open() if before is None else []
                sink = self._keeper.begin(str(name))
                undo.callback(sink.discard)
                manifest.add(*left, begun(str(name)))
            undo.pop_all()
        return OpenFile(name, sink, self._given.key, before)

    def _end(self) -> None:
        file, self._file = self._file, None
        if file is None:
            return
        self._stop.set()
        try:
            if not file.broken:
                file.sync(file.size)
                with self._keeper.shelf(alone=True) as shelf:
                    Manifest(shelf, self._given.key).add(ended(str(file.name), file.last))
        finally:
            file.close()

    def _keep(self, file: OpenFile, stop: threading.Event) -> None:
        """Bring a file to disk again and again, and let go of it when its day is over or it is broken."""
        pause = min(self._given.sync_seconds or _LONGEST_PAUSE, _LONGEST_PAUSE)
        while not stop.wait(pause):
            try:
                file.sync(file.size)
                file.require_present()
            except OSError as error:
                if stop.is_set():  # it was let go meanwhile
                    return
                _log.error("the journal's file %s may not be on disk: %s", file.name, error)
            if file.broken or file.name.day != f"{datetime.now(UTC):%Y%m%d}":
                self.close(file)


@cache
def shared(given: Settings) -> Writer:
    """Return this process' one writer of a journal; its file is ended when the process does."""
    writer = Writer(given)
    atexit.register(writer.close)
    return writer
