"""The lake: append-only Parquet, made visible by commits.

A batch's files are written first and its commit file is renamed into place last, so a reader sees
a batch whole or not at all, whatever moment the writer dies at. A batch is named after the content
it came from: taking the same file in twice changes nothing.
"""

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from features import intake, mapping, tokens
from features.errors import RecoupError
from features.feeds import FEEDS
from features.files import locked, put, replace
from features.home import Home

_LEDGERS = ("payments", "contacts")


@dataclass(frozen=True)
class Batch:
    """What one intake did: rows accepted and rejected by feed, and whether it was there already."""

    id: str
    number: int
    source: str
    file: str
    accepted: dict[str, int]
    rejected: dict[str, int]
    repeated: bool = False


class Lake:
    """Read and append feeds under one folder."""

    def __init__(self, home: Home):
        self.root = home.lake

    def ingest(self, path: Path, source: str, feed: str | None = None) -> Batch:
        """Append a file.

        Parameters
        ----------
        path : Path
            CSV, gzipped CSV or Parquet.
        source : str
            Name or path of the mapping.
        feed : str, optional
            The feed that the file holds, where its mapping knows several.

        Returns
        -------
        Batch

        Raises
        ------
        RecoupError
            When the file or mapping cannot be used, or the lake was written with another token key.
        """
        return self.take_in(path, mapping.load(source), feed)

    def take_in(self, path: Path, layout: mapping.Mapping, feed: str | None = None) -> Batch:
        """Append a file that a mapping reads; see `ingest`."""
        batch_id = intake.content_id(path, layout, feed)
        if (done := self._committed(batch_id)) is not None:
            return done
        rows = intake.read_feeds(path, layout, feed)
        with locked(self.root):
            if (done := self._committed(batch_id)) is not None:
                return done
            self._check_key()
            rows = [self._against_lake(part, layout.source) for part in rows]
            return self._commit(batch_id, layout.source, path, rows)

    def scan(self, feed: str, source: str | None = None) -> pl.LazyFrame:
        """Return every committed row of a feed, with ``source`` and ``batch``, in commit order."""
        files = [self.root / feed / f"{batch.id}.parquet" for batch in self.batches()
                 if batch.accepted.get(feed) and source in (None, batch.source)]  # fmt: skip
        if not files:
            return self.empty(feed)
        # a batch from before a column was added lacks it
        return pl.scan_parquet(files, schema=self.empty(feed).collect_schema(), missing_columns="insert")

    @staticmethod
    def empty(feed: str) -> pl.LazyFrame:
        """Return a feed without rows."""
        columns = {name: column.dtype.type for name, column in FEEDS[feed].SCHEMA.columns.items()}
        origin = {"file_row": pl.UInt32, "source": pl.String, "batch": pl.String}
        return pl.LazyFrame(schema=columns | origin)

    def rejected(self, batch_id: str, feed: str) -> pl.DataFrame:
        """Return the rejected rows of a batch with ``field`` and ``reason``."""
        return pl.read_parquet(self.root / "rejected" / feed / f"{batch_id}.parquet")

    def batches(self) -> list[Batch]:
        """Return the commits, oldest first."""
        files = (self.root / "commits").glob("*.json")
        return sorted((Batch(**json.loads(file.read_text())) for file in files), key=lambda b: b.number)

    def sources(self, feed: str) -> list[str]:
        """Return the sources that have rows of a feed."""
        return sorted({batch.source for batch in self.batches() if batch.accepted.get(feed)})

    def snapshot(self) -> str:
        """Return a fingerprint of all that is committed."""
        ids = sorted(batch.id for batch in self.batches())
        return hashlib.sha256("\n".join(ids).encode()).hexdigest()[:16]

    def _committed(self, batch_id: str) -> Batch | None:
        commit = self.root / "commits" / f"{batch_id}.json"
        return Batch(**json.loads(commit.read_text()) | {"repeated": True}) if commit.is_file() else None

    def _against_lake(self, part: intake.FeedRows, source: str) -> intake.FeedRows:
        """Reject ledger rows that are already booked and loans whose number another source holds."""
        key = FEEDS[part.feed].KEY[0]
        if part.feed in _LEDGERS:
            held, reason = self.scan(part.feed).select(key), "is already in the lake"
        elif part.feed == "loans":
            held = self.scan("loans").filter(pl.col("source") != source).select(key)
            reason = "belongs to another source in this lake; use another RECOUP_HOME"
        else:
            return part
        clash = part.accepted.lazy().join(held.unique(), on=key, how="semi").collect()
        if clash.is_empty():
            return part
        clash = clash.with_columns(field=pl.lit(key), reason=pl.lit(f"{key}: {reason}"))
        return intake.FeedRows(
            part.feed,
            part.accepted.join(clash.select("file_row"), on="file_row", how="anti"),
            pl.concat([part.rejected, clash.select(part.rejected.columns)]),
        )

    def _commit(self, batch_id: str, source: str, path: Path, rows: list[intake.FeedRows]) -> Batch:
        origin = [pl.lit(source).alias("source"), pl.lit(batch_id).alias("batch")]
        for part in rows:
            for folder, frame in ((part.feed, part.accepted), (f"rejected/{part.feed}", part.rejected)):
                write_table(frame.with_columns(origin), self.root / folder / f"{batch_id}.parquet")
        batch = Batch(
            id=batch_id,
            number=len(self.batches()) + 1,
            source=source,
            file=path.name,
            accepted={part.feed: part.accepted.height for part in rows},
            rejected={part.feed: part.rejected.height for part in rows},
        )
        replace(self.root / "commits" / f"{batch_id}.json", json.dumps(vars(batch)).encode())
        return batch

    def _check_key(self) -> None:
        """Hold the lake to one token key: under two, one person would have two tokens."""
        if not os.environ.get(tokens.KEY_VARIABLE):
            return
        mark = self.root / "token_key_fingerprint"
        if not mark.is_file():
            replace(mark, tokens.fingerprint().encode())
        elif mark.read_text() != tokens.fingerprint():
            raise RecoupError(
                f"{self.root} was written under another {tokens.KEY_VARIABLE}: use that key, or another RECOUP_HOME"
            )


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a Parquet file so that a reader finds the old table or the new, never a part.

    Only one writer may do so at a time, see `features.files.locked`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    frame.write_parquet(part)
    put(part, path)
