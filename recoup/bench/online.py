"""The online store against stock Feast: one loan's features, and filling the store.

The peer has the same definitions and the same tables, on Feast's own SQLite or Redis store, DuckDB
offline store and local engine. Redis is measured where ``RECOUP_TEST_REDIS`` names a server whose
content is of no worth; ``.ci/servers recoup bench online`` starts one.
"""

import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import polars as pl

from features import services
from features.home import Home
from features.mart_tables import ParquetMarts
from features.marts import MARTS
from features.online_rows import InputRows, RowReader
from features.progress import Progress
from features.store import FeatureDoor
from features.world import simulate
from recoup.bench import book, memory
from recoup.bench.pairs import ratio

if TYPE_CHECKING:
    from feast import FeatureStore

_BOOK_LOANS = 50_000
_SERVICE = "recovery_v1"
_HORIZON_MONTHS = 120.0
_ONE_BY_ONE = 300
_AT_ONCE = 1_000


def measure(progress: Progress) -> dict[str, float]:
    """Return how many times faster our side is (larger is better), and what each side took.

    Returns
    -------
    dict
        ``online_read_vs_feast``: one loan, all inputs, as the services read it; ``online_frame_vs_feast``:
        as a frame; ``online_read_many_vs_feast``: 1,000 loans as plain columns; ``materialize_vs_feast``: entity
        rows per second. With ``.seconds`` (of one call), ``.rows_per_second``, ``.memory_mb`` (peak of the
        process), and ``.peer_…`` likewise. Those with both sides on SQLite, and the same after
        ``redis_`` with both on Redis, where there is a server.
    """
    os.environ.setdefault("RECOUP_TOKEN_KEY", "a key of the bench's own")
    redis = os.environ.get("RECOUP_TEST_REDIS", "")
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        progress(f"a book of {_BOOK_LOANS:,} loans with its payments and attempts")
        world = simulate(_BOOK_LOANS, 1, root / "world")
        door = book.taken_in(world.feeds, root / "home")
        door.refresh()
        figures = compare(door.home, root / "stock", "", progress)
        if redis:
            progress("the same on Redis")
            beside = compare(door.home, root / "stock_redis", redis, progress)
            figures |= {f"redis_{key}": value for key, value in beside.items()}
        return figures


def compare(home: Home, stock: Path, redis: str, progress: Progress) -> dict[str, float]:
    """Fill both online stores from a home's marts, read from both, and return the figures.

    ``redis`` is the URL of the server for both; on SQLite when it is empty.
    """
    os.environ["RECOUP_ONLINE_STORE"] = redis
    until = datetime.now(UTC)
    progress("filling both stores")
    ours = _apart(_fill_ours, home, stock, redis, until)
    peer = _apart(_fill_stock, home, stock, redis, until)
    door = FeatureDoor(home)
    entities = _entities(home)
    figures = {
        "materialize_vs_feast": peer["seconds"] / ours["seconds"],
        "materialize_vs_feast.rows_per_second": entities / ours["seconds"],
        "materialize_vs_feast.peer_rows_per_second": entities / peer["seconds"],
        "materialize_vs_feast.memory_mb": ours["memory_mb"],
        "materialize_vs_feast.peer_memory_mb": peer["memory_mb"],
    }
    asked = _asked(door, until)
    store = _stock(home, stock, redis)
    progress("reading one loan at a time, and many")
    ones = [asked.slice(row, 1) for row in range(_ONE_BY_ONE)]
    many = [asked.slice(start * _AT_ONCE, _AT_ONCE) for start in range(3)]
    return (
        figures
        | _read("online_read_vs_feast", _row_by_row(home), "to_dict", door, store, ones)
        | _read("online_read_many_vs_feast", door.answer, "to_dict", door, store, many)
        | _read("online_frame_vs_feast", door.online, "to_df", door, store, ones)
    )


def _row_by_row(home: Home) -> Callable[[str, Mapping[str, Any]], InputRows]:
    """Return what reads one row of the service's inputs, given as columns of one."""
    reader = RowReader(home, [vars(column) for column in services.columns(_SERVICE)])
    return lambda _, asked: reader.read(asked)


def _entities(home: Home) -> int:
    """Return how many entity rows a full materialization writes."""
    marts = ((home.marts / f"{name}.parquet", mart.ENTITY) for name, mart in MARTS.items())
    return sum(pl.scan_parquet(path).select(pl.col(key).n_unique()).collect().item() for path, key in marts)


def _read(key: str, read: Callable[..., Any], form: str, door: FeatureDoor, store: "FeatureStore",
          parts: list[pl.DataFrame]) -> dict[str, float]:  # fmt: skip
    """Read the same loans through both; the peer is given the keys that our side looks up."""
    service = store.get_feature_service(_SERVICE)
    given, rows = [], []
    for part in parts:
        request = part.select("horizon_months_asked", moment=pl.col("moment").dt.epoch("us") / 1e6)
        keys = door.online(_SERVICE, part).keys
        rows.append(pl.concat([keys, request], how="horizontal").to_dict(as_series=False))
        columns = {"loan_id": rows[-1]["loan_id"], **{name: request[name].to_numpy() for name in request.columns}}
        given.append(part if form == "to_df" else columns)

    def ours() -> None:
        for part in given:
            read(_SERVICE, part)

    def peer() -> None:
        for entities in rows:
            getattr(store.get_online_features(features=service, entity_rows=entities), form)()

    timed = ratio(ours, peer)
    return {
        key: 1 / timed["ratio"],
        f"{key}.seconds": timed["seconds"] / len(parts),
        f"{key}.peer_seconds": timed["peer_seconds"] / len(parts),
    }


def _asked(door: FeatureDoor, until: datetime) -> pl.DataFrame:
    known = door.lake.scan("loans").select("loan_id").unique(maintain_order=True).collect()
    return known.sample(fraction=1.0, shuffle=True, seed=1).with_columns(
        pl.lit(until).cast(pl.Datetime("us", "UTC")).alias("moment"),
        pl.lit(_HORIZON_MONTHS).alias("horizon_months_asked"),
    )


def _stock(home: Home, stock: Path, redis: str) -> "FeatureStore":
    from feast import FeatureStore, RepoConfig

    sqlite = {"type": "sqlite", "path": str(stock / "online.db")}
    server = {"type": "redis", "connection_string": _connection_string(redis)}
    return FeatureStore(
        config=RepoConfig(
            project="recoup",
            provider="local",
            registry=str(stock / "registry.db"),
            offline_store={"type": "duckdb"},
            online_store=server if redis else sqlite,
            entity_key_serialization_version=3,
        )
    )


def _connection_string(url: str) -> str:
    """Return a Redis URL without a password as Feast writes it: ``host:port,db=0``."""
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 6379},db={parts.path.strip('/') or 0}"


def _fill_ours(home: Home, stock: Path, redis: str, until: datetime) -> Callable[[], None]:
    door = FeatureDoor(home)
    door.apply()
    return lambda: door.materialize(until)


def _fill_stock(home: Home, stock: Path, redis: str, until: datetime) -> Callable[[], None]:
    from features.repository import definitions

    stock.mkdir(parents=True, exist_ok=True)
    store = _stock(home, stock, redis)
    store.apply(definitions(ParquetMarts(home.marts).places()))
    return lambda: store.materialize(start_date=datetime(1970, 1, 1, tzinfo=UTC), end_date=until)


def _apart(side: Callable[[Home, Path, str, datetime], Callable[[], None]], *given: Any) -> dict[str, float]:
    """Run a side in a process of its own, so that its memory is its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_timed, args=(there, side, given))
    process.start()
    there.close()
    figures = here.recv()
    process.join()
    return figures


def _timed(answer: Connection, side: Callable[..., Callable[[], None]], given: tuple[Any, ...]) -> None:
    fill = side(*given)
    start = time.perf_counter()
    fill()
    seconds = time.perf_counter() - start
    answer.send({"seconds": seconds, "memory_mb": memory.peak_bytes() / 2**20})
