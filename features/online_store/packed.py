"""Feast's online store over packed rows: what a stock Feast client reads and writes through.

It holds feature views of one text key whose features are Float64 or String.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from feast import Entity, FeatureView, RepoConfig
from feast.errors import FeastError
from feast.infra.online_stores.online_store import OnlineStore
from feast.protos.feast.types.EntityKey_pb2 import EntityKey
from feast.protos.feast.types.Value_pb2 import Value
from feast.repo_config import FeastConfigBaseModel
from feast.types import Float64, String
from feast.utils import make_tzaware
from pydantic import StrictStr

from features.online_store import rows
from features.online_store.rows import Layout
from features.online_store.tables import NeverFilled, Standing, Tables, open_tables

_EVENT, _CREATED = "event_timestamp", "created_timestamp"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Written = tuple[EntityKey, dict[str, Value], datetime, datetime | None]
Read = tuple[datetime | None, dict[str, Value] | None]


class PackedOnlineStoreConfig(FeastConfigBaseModel):
    """``location`` and ``name``: see `open_tables`."""

    type: Literal["features.online_store.packed.PackedOnlineStore"] = "features.online_store.packed.PackedOnlineStore"
    location: StrictStr
    name: StrictStr


class PackedOnlineStore(OnlineStore):
    """Feast's interface to packed rows."""

    def tables(self, config: RepoConfig) -> Tables:
        """Return the tables that a configuration names."""
        location = config.online_store.location
        if "://" not in location and config.repo_path:
            location = str(Path(config.repo_path) / location)
        return _opened(location, config.online_store.name)

    def online_write_batch(
        self,
        config: RepoConfig,
        table: FeatureView,
        data: list[Written],
        progress: Callable[[int], Any] | None,
    ) -> None:
        """Write rows over those of the same keys; a feature that a row does not name stays as it was.

        Raises
        ------
        FeastError
            When the view's rows are of another layout: materialize it first.
        """
        with self.tables(config).writing() as tables:
            layout = layout_of(table)
            standing = tables.plan.get(table.name)
            if standing is None:
                tables.clear(table.name)
                standing = Standing(layout)
            elif standing.layout != layout:
                raise FeastError(f"view {table.name}: its definition has changed; materialize it before writing to it")
            latest = {_key(key): (values, at, created) for key, values, at, created in data}
            former = rows.unpack(layout, tables.rows({table.name: list(latest)})[table.name])
            packed = rows.pack(layout, _table(former, list(latest.values())), _EVENT, _CREATED)
            tables.put(table.name, zip(latest, packed, strict=True))
            tables.stand(table.name, replace(standing, source=None))
        if progress:
            progress(len(data))

    def online_read(
        self,
        config: RepoConfig,
        table: FeatureView,
        entity_keys: list[EntityKey],
        requested_features: list[str] | None = None,
    ) -> list[Read]:
        """Return the event timestamp and the features of each entity; (None, None) where there is none."""
        keys = [_key(key) for key in entity_keys]
        try:
            standing, packed = self.tables(config).read(
                lambda sight: (sight.plan.get(table.name), sight.rows({table.name: keys})[table.name])
            )
        except NeverFilled:
            standing = None
        if standing is None:
            return [(None, None)] * len(keys)
        columns = rows.unpack(standing.layout, packed)
        held = [*standing.layout.numbers, *standing.layout.categories]
        names = requested_features or held
        values = {name: _values(columns, name) for name in names if name in held}
        return [
            (_moment(at), {name: column[row] for name, column in values.items()}) if found else (None, None)
            for row, (found, at) in enumerate(zip(columns.found, columns.event.tolist(), strict=True))
        ]

    def update(
        self,
        config: RepoConfig,
        tables_to_delete: Sequence[FeatureView],
        tables_to_keep: Sequence[FeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
        partial: bool,
    ) -> None:
        """Check that every view can be packed; a changed view keeps its rows until it is materialized.

        Raises
        ------
        FeastError
            When a view has several keys, or features that are neither Float64 nor String.
        """
        for view in tables_to_keep:
            if isinstance(view, FeatureView):
                layout_of(view)
        self.teardown(config, tables_to_delete, entities_to_delete)

    def teardown(self, config: RepoConfig, tables: Sequence[FeatureView], entities: Sequence[Entity]) -> None:
        """Take views out of the store."""
        if tables:
            with self.tables(config).writing() as store:
                for view in tables:
                    store.drop(view.name)


def layout_of(view: FeatureView) -> Layout:
    """Return how a view's rows are laid out.

    Raises
    ------
    FeastError
        When it has several keys, or features that are neither Float64 nor String.
    """
    odd = [field.name for field in view.features if field.dtype not in (Float64, String)]
    odd += [field.name for field in view.entity_columns if field.dtype != String]
    if odd or len(view.entity_columns) != 1:
        raise FeastError(
            f"view {view.name}: the packed online store holds Float64 and String features of one String key; "
            f"look at {', '.join(odd) or 'its keys'}"
        )
    return Layout(
        numbers=tuple(field.name for field in view.features if field.dtype == Float64),
        categories=tuple(field.name for field in view.features if field.dtype == String),
    )


@lru_cache(maxsize=8)
def _opened(location: str, name: str) -> Tables:
    return open_tables(location, name)


def _key(key: EntityKey) -> str:
    return key.entity_values[0].string_val


def _moment(microseconds: int) -> datetime:
    return _EPOCH + timedelta(microseconds=microseconds)


def _values(columns: rows.Columns, name: str) -> list[Value]:
    if name in columns.layout.categories:
        return [Value() if text is None else Value(string_val=text) for text in columns.category(name)]
    numbers = columns.number(name)
    nulls = rows.is_null(numbers).tolist()
    return [Value() if null else Value(double_val=value) for value, null in zip(numbers.tolist(), nulls, strict=True)]


def _table(former: rows.Columns, written: list[tuple[dict[str, Value], datetime, datetime | None]]) -> pa.Table:
    """Return the rows to write as a table, former values standing in for those that are not named."""
    columns: dict[str, pa.Array] = {}
    for names, kind, plain in (
        (former.layout.numbers, "double_val", pa.float64()),
        (former.layout.categories, "string_val", pa.large_string()),
    ):
        for name in names:
            values = [new.get(name, old) for (new, *_), old in zip(written, _values(former, name), strict=True)]
            columns[name] = pa.array([getattr(v, kind) if v.WhichOneof("val") == kind else None for v in values], plain)
    stamps = pa.timestamp("us", "UTC")
    columns[_EVENT] = pa.array([make_tzaware(at) for _, at, _ in written], stamps)
    columns[_CREATED] = pa.array([created and make_tzaware(created) for *_, created in written], stamps)
    return pa.table(columns)
