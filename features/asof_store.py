"""Feast's offline stores with the point-in-time join done by DuckDB's own ASOF join.

Feast's join sorts and ranks every earlier row of a view for every row asked; an ASOF join looks
only for the latest. Likewise for the latest row of every entity.
"""

from datetime import datetime
from pathlib import Path

import ibis
import pandas as pd
import pyarrow as pa
from feast import FeatureView, FileSource, OnDemandFeatureView, RepoConfig
from feast.data_source import DataSource
from feast.errors import FeastError
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore, DuckDBOfflineStoreConfig
from feast.infra.offline_stores.ibis import IbisRetrievalJob
from feast.infra.offline_stores.offline_store import OfflineStore, RetrievalJob, RetrievalMetadata
from feast.infra.registry.base_registry import BaseRegistry

from features import asof

_WHEN = "event_timestamp"


class AsOfJoins(OfflineStore):
    """The methods of an offline store that join; a store of its own says where rows are."""

    @staticmethod
    def file(config: RepoConfig, source: DataSource) -> Path:
        """Return a Parquet file of a source's rows as they are now.

        Raises
        ------
        FeastError
            When the source is of another kind.
        """
        raise NotImplementedError

    @classmethod
    def get_historical_features(
        cls,
        config: RepoConfig,
        feature_views: list[FeatureView],
        feature_refs: list[str],
        entity_df: pd.DataFrame,
        registry: BaseRegistry,
        project: str,
        full_feature_names: bool = False,
        filter_by_created_timestamp: bool = False,
    ) -> RetrievalJob:
        """Join every row of ``entity_df`` with what each view knew at its ``event_timestamp``.

        Raises
        ------
        FeastError
            When asked to let in rows that were learnt later, or for prefixed names.
        """
        if full_feature_names or not filter_by_created_timestamp:
            raise FeastError(
                "this store answers only with filter_by_created_timestamp=True "
                "and full_feature_names=False: rows learnt later would leak into training"
            )
        asked = pa.Table.from_pandas(entity_df, preserve_index=False)
        found = asof.join(asked, _WHEN, [cls._table(config, view, feature_refs) for view in feature_views])
        return _job(
            config,
            pa.table({**{name: asked.column(name) for name in asked.column_names}, **found}),
            OnDemandFeatureView.get_requested_odfvs(feature_refs, project, registry),
            RetrievalMetadata(
                features=feature_refs,
                keys=[name for name in entity_df.columns if name != _WHEN],
                min_event_timestamp=entity_df[_WHEN].min(),
                max_event_timestamp=entity_df[_WHEN].max(),
            ),
        )

    @classmethod
    def pull_latest_from_table_or_query(
        cls,
        config: RepoConfig,
        data_source: DataSource,
        join_key_columns: list[str],
        feature_name_columns: list[str],
        timestamp_field: str,
        created_timestamp_column: str | None,
        start_date: datetime,
        end_date: datetime,
    ) -> RetrievalJob:
        """Return every entity's latest row between two moments, both included, in the order of their keys.

        Raises
        ------
        FeastError
            When the source is of another kind, or its entities have several keys.
        """
        if len(join_key_columns) != 1:
            raise FeastError(f"source {data_source.name}: this store reads only entities of one key")
        learnt = created_timestamp_column or timestamp_field
        (key,) = join_key_columns
        rows = cls.file(config, data_source)
        mart = asof.Table(rows, key, key, feature_name_columns, timestamp_field, learnt)
        metadata = RetrievalMetadata(feature_name_columns, join_key_columns, start_date, end_date)
        return _job(config, asof.latest(mart, start_date, end_date), [], metadata)

    @classmethod
    def _table(cls, config: RepoConfig, view: FeatureView, refs: list[str]) -> asof.Table:
        if (source := view.batch_source) is None:
            raise FeastError(f"view {view.name}: it has no batch source")
        prefix = f"{view.projection.name_to_use()}:"
        names = [ref.removeprefix(prefix) for ref in refs if ref.startswith(prefix)]
        (key,) = (column.name for column in view.entity_columns)
        return asof.Table(
            rows=cls.file(config, source),
            key=key,
            asked_key=view.projection.join_key_map.get(key, key),
            names=names,
            happened=source.timestamp_field,
            learnt=source.created_timestamp_column or source.timestamp_field,
        )


class AsOfOfflineStoreConfig(DuckDBOfflineStoreConfig):
    """Takes the options of Feast's DuckDB store."""

    type: str = "features.asof_store.AsOfOfflineStore"


class AsOfOfflineStore(AsOfJoins, DuckDBOfflineStore):
    """Feast's DuckDB store over Parquet files; only the joins are its own."""

    @staticmethod
    def file(config: RepoConfig, source: DataSource) -> Path:
        """Return a source's file."""
        if not isinstance(source, FileSource):
            raise FeastError(f"source {source.name}: this store reads only files")
        return Path(source.path)


def _job(
    config: RepoConfig, answer: pa.Table, on_demand: list[OnDemandFeatureView], metadata: RetrievalMetadata
) -> RetrievalJob:
    return IbisRetrievalJob(
        table=ibis.memtable(answer),
        on_demand_feature_views=on_demand,
        full_feature_names=False,
        metadata=metadata,
        data_source_writer=None,
        staging_location=None,
        staging_location_endpoint_override=None,
        repo_path=str(config.repo_path),
    )
