"""Feast's materialization by whole columns: latest rows from the offline store, packed, in one change.

All views of a call become visible together. A view whose source has not changed since it was
materialized from its beginning gets only the rows that are new since then.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from feast import Entity, FeatureView, FileSource
from feast.base_feature_view import BaseFeatureView
from feast.data_source import DataSource
from feast.errors import FeastError
from feast.infra.common.materialization_job import MaterializationJob, MaterializationJobStatus, MaterializationTask
from feast.infra.compute_engines.base import ComputeEngine
from feast.infra.compute_engines.local.job import LocalMaterializationJob
from feast.infra.registry.base_registry import BaseRegistry
from feast.repo_config import FeastConfigBaseModel

from features.asof_store import AsOfJoins
from features.online_store import rows
from features.online_store.packed import PackedOnlineStore, layout_of
from features.online_store.tables import Standing, Writing

_BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH_ROWS = 20_000


class PackedComputeEngineConfig(FeastConfigBaseModel):
    """Has no options."""

    type: Literal["features.online_store.engine.PackedComputeEngine"] = (
        "features.online_store.engine.PackedComputeEngine"
    )


class PackedComputeEngine(ComputeEngine):
    """Materializes views into a `PackedOnlineStore`."""

    @property
    def supports_batch(self) -> bool:
        """Feast hands over all views of a call at once."""
        return True

    def materialize(
        self,
        registry: BaseRegistry,
        tasks: MaterializationTask | list[MaterializationTask],
        *,
        lineage_parent: Any = None,
        **kwargs: Any,
    ) -> list[MaterializationJob]:
        """Write each task's window; from 1970 on, that is all there is, and other rows go.

        Raises
        ------
        FeastError
            When a view or its source cannot be packed.
        """
        if not isinstance(self.online_store, PackedOnlineStore):
            raise FeastError("this engine writes to features.online_store.packed.PackedOnlineStore only")
        tasks = [tasks] if isinstance(tasks, MaterializationTask) else tasks
        with self.online_store.tables(self.repo_config).writing() as tables:
            for task in tasks:
                self._write(tables, task)
        return [LocalMaterializationJob(task.feature_view.name, MaterializationJobStatus.SUCCEEDED) for task in tasks]

    def update(
        self,
        project: str,
        views_to_delete: Sequence[BaseFeatureView],
        views_to_keep: Sequence[BaseFeatureView],
        entities_to_delete: Sequence[Entity],
        entities_to_keep: Sequence[Entity],
    ) -> None:
        """Need nothing prepared."""

    def teardown_infra(self, project: str, fvs: Sequence[BaseFeatureView], entities: Sequence[Entity]) -> None:
        """Leave nothing behind."""

    def _write(self, tables: Writing, task: MaterializationTask) -> None:
        view, since, until = task.feature_view, task.start_time, task.end_time
        if task.disable_event_timestamp:
            since, until = _BEGINNING, datetime.now(UTC)
        source, layout = _source(view), layout_of(view)
        whole = Standing(layout, until, self._identity(source))
        since, anew, standing = _step(tables.plan.get(view.name), whole, since)
        if anew:
            tables.clear(view.name)
        table = self._latest(view, since, until)
        for start in range(0, table.num_rows, _BATCH_ROWS):
            part = table.slice(start, _BATCH_ROWS)
            packed = rows.pack(layout, part, source.timestamp_field, source.created_timestamp_column or None)
            tables.put(view.name, zip(part.column(_key(view)).to_pylist(), packed, strict=True))
        tables.stand(view.name, standing)

    def _latest(self, view: FeatureView, since: datetime, until: datetime) -> pa.Table:
        source = _source(view)
        job = self.offline_store.pull_latest_from_table_or_query(
            config=self.repo_config,
            data_source=source,
            join_key_columns=[_key(view)],
            feature_name_columns=[field.name for field in view.features],
            timestamp_field=source.timestamp_field,
            created_timestamp_column=source.created_timestamp_column or None,
            start_date=since,
            end_date=until,
        )
        return job.to_arrow()

    def _identity(self, source: DataSource) -> str | None:
        """Return what tells this version of a source from any other; None where it is no file."""
        if isinstance(self.offline_store, AsOfJoins):
            path = self.offline_store.file(self.repo_config, source)
        elif isinstance(source, FileSource):
            path = Path(source.path)
        else:
            return None
        found = path.stat()
        return f"{path} {found.st_ino} {found.st_size} {found.st_mtime_ns}"


def _step(former: Standing | None, whole: Standing, since: datetime) -> tuple[datetime, bool, Standing]:
    """Return from when on rows are read, whether the table begins anew, and how it stands afterwards.

    ``whole`` is how it stands once it holds all of its source.
    """
    if former is None or former.layout != whole.layout:
        return since, True, whole if since <= _BEGINNING else Standing(whole.layout, whole.until)
    done, until = former.until, whole.until
    if done and until and former.source and former.source == whole.source and since <= done <= until:
        return done, False, whole
    if since <= _BEGINNING:
        return since, True, whole
    return since, False, Standing(whole.layout, max(done, until) if done and until else until)


def _source(view: FeatureView) -> DataSource:
    source = view.batch_source
    if source is None or source.field_mapping:
        raise FeastError(f"view {view.name}: materialization needs a batch source whose columns are named as they are")
    return source


def _key(view: FeatureView) -> str:
    (key,) = (column.name for column in view.entity_columns)
    return key
