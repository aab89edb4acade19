"""The only door to Feast: training frames, online rows and materialization.

Everything that crosses it comes in the order of the FeatureService, as floats and text, with null
for an unknown number and ``missing`` for an unknown category. Features of the moment are computed
here, by the same functions that the on-demand views carry.
"""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING
from unittest import mock

import numpy as np
import polars as pl

from features import asof, feast_settings, marts, online, online_home, services
from features.errors import RecoupError
from features.files import locked
from features.home import Home
from features.lake import Lake
from features.mart_tables import MartTables, open_marts
from features.marts import MARTS
from features.marts.columns import MISSING
from features.marts.timeline import KNOWN
from features.online import Answer, Column
from features.online_store.tables import Tables
from features.services import KEYS, LINKS, NOBODY, ServiceColumn

if TYPE_CHECKING:
    from feast import FeatureStore as FeastStore

_FEW_ROWS = 8
"""Up to here a frame is made faster row by row than column by column."""


@dataclass(frozen=True)
class OnlineRows:
    """What the online store answered.

    Attributes
    ----------
    frame : polars.DataFrame, shape (n, features)
        Model inputs in the service's order.
    keys : polars.DataFrame, shape (n, keys)
        The entities of each row: `services.KEYS`.
    also : polars.DataFrame, shape (n, ...)
        What was asked for beside the model's inputs.
    unknown : list of bool, n
        Rows whose id the store has never seen; their features are all missing.
    stale : dict of str to str
        Views last materialized too long before the moment, and when that was (ISO 8601, UTC).
    known_at : list of dict, n
        For each row, since when each view's values have stood (ISO 8601, UTC).
    """

    frame: pl.DataFrame
    keys: pl.DataFrame
    also: pl.DataFrame
    unknown: list[bool]
    stale: dict[str, str]
    known_at: list[dict[str, str]]


class FeatureDoor:
    """Features of one home."""

    def __init__(self, home: Home):
        self.home = home
        self.lake = Lake(home)

    def refresh(self) -> None:
        """Rebuild the marts when the lake has changed, and register the definitions with Feast.

        Raises
        ------
        RecoupError
            When the lake is empty.
        """
        if not self.lake.batches():
            raise RecoupError("the lake is empty: run `recoup ingest FILE --source NAME` first")
        with locked(self.home.marts):
            feast_settings.write(self.home)
            now = {"lake": self.lake.snapshot(), "marts": marts.definition()}
            if self._marts.built_from() != now:
                built = (
                    (name, marts.build(name, {feed: self.lake.scan(feed) for feed in mart.FEEDS}))
                    for name, mart in MARTS.items()
                )
                self._marts.write(built, now)
            self.apply()

    def apply(self) -> None:
        """Register the definitions with Feast."""
        from features.repository import definitions

        self.home.feast.mkdir(parents=True, exist_ok=True)
        store, defined = self._feast, definitions(self._marts.places())
        with warnings.catch_warnings():
            # Feast calls every on-demand view experimental, at every apply
            warnings.filterwarnings("ignore", "On demand feature view", RuntimeWarning)
            store.apply(defined)

    def columns(self, service: str) -> list[ServiceColumn]:
        """Return a model's inputs in order, as its FeatureService lists them."""
        return list(services.columns(service))

    def frame(self, service: str, rows: pl.DataFrame) -> pl.DataFrame:
        """Return features as they were known at each row's own moment.

        Parameters
        ----------
        service : str
            A FeatureService.
        rows : polars.DataFrame, shape (n, ...)
            ``moment`` (UTC), ``loan_id`` and ``borrower_id`` (null where a row has none), and the
            service's request columns.

        Returns
        -------
        polars.DataFrame, shape (n, features)
            In the order of the rows and of the service.
        """
        store, needed = self._feast, services.stored(service)
        keys = ["moment", *[key for key in KEYS if key in rows.columns]]
        asked = rows.select(keys).unique(maintain_order=True)  # several attempts on a debt are one look at its past
        entities = self._linked_at(asked).select(pl.col("moment").alias(KNOWN), *KEYS)
        job = store.get_historical_features(
            entity_df=entities.to_pandas(),
            features=[f"{view}:{name}" for view, names in needed.items() for name in names],
            filter_by_created_timestamp=True,
        )
        found = pl.DataFrame(pl.from_arrow(job.to_arrow()))
        if asked.height < rows.height:
            place = rows.join(asked.with_row_index("place"), on=keys, nulls_equal=True, maintain_order="left")["place"]
            found = found[place]
        return self._settled(service, rows, found)

    def tape_frame(self, service: str, feeds: dict[str, pl.LazyFrame], rows: pl.DataFrame) -> pl.DataFrame:
        """Return the same features for a tape that is not in the lake.

        Parameters
        ----------
        service : str
            A FeatureService.
        feeds : dict of str to polars.LazyFrame
            The tape's feeds. The market, and contacts with debtors whom we know, are our own.
        rows : polars.DataFrame, shape (n, ...)
            As for `frame`, with the other `KEYS`: ``region`` and ``loan_product``.
        """
        keyed = rows.select("moment", *KEYS).to_arrow()
        built, tables = self._marts.built_from() is not None, []
        for view, names in services.stored(service).items():
            given = {} if view in marts.OURS else feeds
            if built and not any(name in given for name in MARTS[view].FEEDS):
                tables.append(self.known(view, list(names)))
                continue
            sources = {name: given.get(name, self.lake.empty(name)) for name in MARTS[view].FEEDS}
            key = MARTS[view].ENTITY
            tables.append(asof.Table(marts.build(view, sources), key, key, list(names)))
        return self._settled(service, rows, pl.DataFrame(asof.join(keyed, "moment", tables)))

    def known(self, mart: str, names: Sequence[str]) -> asof.Table:
        """Return columns of a mart as a side of `asof.join`, by the mart's own key."""
        key = MARTS[mart].ENTITY
        return asof.Table(self._marts.file(mart), key, key, list(names))

    def materialize(self, until: datetime) -> None:
        """Write what is known by ``until`` (UTC) to the online store."""
        self._feast.materialize(start_date=datetime(1970, 1, 1, tzinfo=UTC), end_date=until)

    def online(self, service: str, rows: pl.DataFrame, also: Sequence[str] = ()) -> OnlineRows:
        """Return features from the online store.

        Parameters
        ----------
        service : str
            A FeatureService.
        rows : polars.DataFrame, shape (n, ...)
            ``moment`` (UTC), ``loan_id`` or ``borrower_id`` (the other keys are looked up), and
            the service's request columns.
        also : sequence of str
            Further features to read, as ``view:feature``.

        Raises
        ------
        RecoupError
            When nothing was ever materialized.
        """
        asked: dict[str, Column] = {name: rows[name].to_list() for name in rows.columns if name != "moment"}
        asked["moment"] = rows["moment"].to_numpy().astype("datetime64[us]").astype(np.int64) / 1e6
        answer = self.answer(service, asked, also)
        return OnlineRows(
            frame=_frame(answer.inputs),
            keys=_frame(answer.keys),
            also=pl.DataFrame(answer.also, nan_to_null=True),
            unknown=answer.unknown,
            stale=answer.stale,
            known_at=answer.known_at,
        )

    def answer(self, service: str, asked: Mapping[str, Column], also: Sequence[str] = ()) -> Answer:
        """Return features from the online store as plain columns: `online` for those in a hurry.

        See `features.online.read`.
        """
        return online.read(self._tables, service, asked, also)

    @cached_property
    def _marts(self) -> MartTables:
        return open_marts(self.home)

    @cached_property
    def _tables(self) -> Tables:
        return online_home.tables(self.home)

    @cached_property
    def _feast(self) -> "FeastStore":
        # while Feast is imported it sets warning filters of the whole process, which are put back, and has typeguard
        # write checks into Feast's own code, which takes twice as long as all the rest; our calls are checked by mypy
        with warnings.catch_warnings(), mock.patch("typeguard.typechecked", lambda target: target):
            from feast import FeatureStore

        if not self.home.feast.is_dir():
            raise RecoupError(
                f"{self.home.root} holds no features yet: "
                "run `recoup ingest FILE --source NAME`, then `recoup materialize`"
            )
        feast_settings.write(self.home)
        return FeatureStore(repo_path=str(self.home.feast))

    def _settled(self, service: str, rows: pl.DataFrame, found: pl.DataFrame) -> pl.DataFrame:
        """Add the features of the moment and bring all into the service's order and types."""
        from features.repository import ON_DEMAND, SERVICES

        chosen = found.with_columns(
            (rows[name] if name != "moment" else rows[name].dt.epoch("us") / 1e6).alias(name)
            for view in SERVICES[service]
            if view in ON_DEMAND
            for name in ON_DEMAND[view][3]
        )
        arrays = {column.name: column.to_numpy() for column in chosen}
        for view in SERVICES[service]:
            if view in ON_DEMAND:
                computed = pl.DataFrame(ON_DEMAND[view][0](arrays))
                chosen = chosen.with_columns(computed)
        return chosen.select(
            pl.col(column.name).cast(pl.String).fill_null(MISSING)
            if column.kind == "category"
            else pl.col(column.name).cast(pl.Float64).fill_nan(None)
            for column in self.columns(service)
        )

    def _linked_at(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Add the keys that each row's debt, or else its debtor, led to at the moment."""
        rows = rows.with_columns(pl.col("loan_id", "borrower_id").fill_null(NOBODY))
        asked = rows.select("moment", "loan_id", "borrower_id").to_arrow()
        for key, places in LINKS.items():
            if key not in rows.columns:
                tables = [self.known(view, [name]) for view, name in places]
                found = pl.DataFrame(asof.join(asked, "moment", tables))
                known = [pl.when(pl.col(name) != MISSING).then(name) for _, name in places]
                rows = rows.with_columns(found.select(pl.coalesce(*known, pl.lit(NOBODY)).alias(key)).to_series())
        return rows


def _frame(columns: Mapping[str, Column]) -> pl.DataFrame:
    """Return arrays of numbers and lists of texts as a frame, NaN as null."""
    if len(next(iter(columns.values()))) > _FEW_ROWS:
        return pl.DataFrame(columns, nan_to_null=True)
    types = {name: "" if isinstance(column, list) else 0.0 for name, column in columns.items()}
    values = [column if isinstance(column, list) else column.tolist() for column in columns.values()]
    named = [
        {name: None if value != value else value for name, value in zip(columns, row, strict=True)}
        for row in zip(*values, strict=True)
    ]
    # a row ahead that shows the types: polars takes longer over a schema
    return pl.from_dicts([types, *named], infer_schema_length=1)[1:]
