"""Feast's online answer as columns, with "null" and "never seen" told apart."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from feast import FeatureStore


@dataclass(frozen=True)
class Answer:
    """Values by feature; the times since when they stand; which rows the store has never seen."""

    values: pl.DataFrame
    times: dict[str, list[str | None]]
    unknown: pl.Series


def read(store: "FeatureStore", references: list[str], keys: pl.DataFrame) -> Answer:
    """Read features of entities, in the order asked.

    Parameters
    ----------
    store : feast.FeatureStore
        An applied store.
    references : list of str
        ``view:feature``. A row is unknown when the first one's entity is.
    keys : polars.DataFrame, shape (n, keys)
        Entity keys as text.

    Returns
    -------
    Answer
        ``values`` has n rows; Feast answers features in no fixed order, this does.
    """
    from feast.protos.feast.serving.ServingService_pb2 import FieldStatus

    response = store.get_online_features(
        features=references, entity_rows=keys.to_dicts(), full_feature_names=False
    ).proto
    vectors = dict(zip(response.metadata.feature_names.val, response.results, strict=True))
    names = [reference.split(":")[1] for reference in references]
    values = {name: pl.Series(name, [_plain(value) for value in vectors[name].values], strict=False) for name in names}
    times = {
        name: [
            None if status == FieldStatus.NOT_FOUND else _iso(stamp.seconds)
            for status, stamp in zip(vectors[name].statuses, vectors[name].event_timestamps, strict=True)
        ]
        for name in names
    }
    unknown = [stamp is None for stamp in times[names[0]]]
    return Answer(pl.DataFrame(values), times, pl.Series("unknown", unknown))


def _plain(value) -> float | str | None:
    kind = value.WhichOneof("val")
    return getattr(value, kind) if kind in {"double_val", "string_val"} else None


def _iso(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat()
