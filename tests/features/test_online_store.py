"""What is materialized: whole or not at all, on SQLite and Redis; and Feast reads what we read."""

import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import traceback
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import polars as pl
import pytest

from features.errors import RecoupError
from features.home import Home
from features.marts import MARTS
from features.online_store import rows
from features.online_store.packed import PackedOnlineStore
from features.online_store.tables import Tables, plan_of
from features.store import FeatureDoor
from tests.features.conftest import NOW
from tests.features.small_world import digest, everything_written

ROOT = Path(__file__).parents[2]
_READ = """
import sys
from pathlib import Path
import polars as pl
from features.home import Home
from features.store import FeatureDoor
from tests.features.small_world import digest
answer = FeatureDoor(Home(Path(sys.argv[1]))).online("recovery_v1", pl.read_ipc(sys.argv[2]))
print(digest(answer.frame), "feast" in sys.modules)
"""


def another_home(filled: FeatureDoor, root: Path) -> FeatureDoor:
    """Return a home of one's own with the same marts, registered and never filled."""
    shutil.copytree(filled.home.root, root, ignore=shutil.ignore_patterns("feast"))
    door = FeatureDoor(Home(root))
    door.apply()
    return door


@pytest.fixture(params=["sqlite", "redis"])
def copied(request, filled, tmp_path, monkeypatch) -> FeatureDoor:
    """Return a home of one's own with the same marts, and an empty online store of each kind."""
    monkeypatch.delenv("RECOUP_ONLINE_STORE", raising=False)
    if request.param == "redis":
        monkeypatch.setenv("RECOUP_ONLINE_STORE", request.getfixturevalue("redis_url"))
    return another_home(filled, tmp_path / "copied")


def tables_of(home: Home) -> Tables:
    from feast import FeatureStore

    return PackedOnlineStore().tables(FeatureStore(repo_path=str(home.feast)).config)


def held(home: Home) -> str:
    """Return the rows of all keys of the marts, and how each view stands but for the name of its source."""
    keys = {view: pl.read_parquet(home.marts / f"{view}.parquet")[mart.ENTITY].unique().sort().to_list()
            for view, mart in MARTS.items()}  # fmt: skip
    plan, packed = tables_of(home).read(lambda sight: (sight.plan, sight.rows(keys)))
    return f"{packed}\n{sorted((view, how.layout, how.until) for view, how in plan.items())}"


def materialized(copied: FeatureDoor, *untils: datetime) -> str:
    empty(copied.home)
    door = FeatureDoor(copied.home)
    for until in untils:
        door.materialize(until)
    return held(copied.home)


def empty(home: Home) -> None:
    with tables_of(home).writing() as change:
        for view in list(change.plan):
            change.drop(view)


def test_repeated_and_stepwise_materialization_give_the_state_of_one_run(copied):
    earlier = NOW - timedelta(days=400)
    whole = materialized(copied, NOW)
    assert whole == held(copied.home) and str(NOW.year) in whole
    assert materialized(copied, NOW, NOW) == whole
    assert materialized(copied, earlier, NOW) == whole
    before = materialized(copied, earlier)
    assert before != whole
    assert materialized(copied, NOW, earlier) == before


def test_changed_mart_is_written_whole(copied, asked):
    whole = materialized(copied, NOW)
    path, gone = copied.home.marts / "financial.parquet", asked["loan_id"][0]
    mart = pl.read_parquet(path).filter(pl.col("loan_id") != gone)
    mart.with_columns(fees_paid=pl.lit(7.0)).write_parquet(path)
    copied.materialize(NOW)
    changed = held(copied.home)
    assert changed != whole
    assert materialized(copied, NOW) == changed
    answer = copied.online("recovery_v1", asked.drop("borrower_id"))
    assert answer.frame["fees_paid"].to_list() == [None] + [7.0] * (asked.height - 1)


def killed_halfway(root: Path, online_store: str) -> None:
    """Materialize up to `NOW` in this process, and kill it at the fourth batch of rows."""
    pack, batches = rows.pack, count(1)

    def deadly(*given) -> list[bytes]:
        if next(batches) == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return pack(*given)

    os.environ["RECOUP_ONLINE_STORE"], rows.pack = online_store, deadly
    FeatureDoor(Home(root)).materialize(NOW)


def test_killed_materialization_leaves_the_former_state(copied):
    earlier = NOW - timedelta(days=400)
    before = materialized(copied, earlier)
    apart = multiprocessing.get_context("forkserver")
    apart.set_forkserver_preload(["feast"])  # imported once for both kinds of store
    killed = apart.Process(target=killed_halfway, args=(copied.home.root, os.environ.get("RECOUP_ONLINE_STORE", "")))
    killed.start()
    killed.join()
    assert killed.exitcode == -signal.SIGKILL
    assert held(copied.home) == before
    FeatureDoor(copied.home).materialize(NOW)
    assert held(copied.home) == materialized(copied, NOW)


@pytest.mark.parametrize("service", ["recovery_v1", "contact_v1"])
def test_online_row_from_redis_equals_training_row_to_the_bit(in_redis, asked, service):
    door = FeatureDoor(in_redis.home)
    online = door.online(service, asked.drop("borrower_id"))
    assert digest(online.frame) == digest(door.frame(service, asked))
    assert online.unknown == [False] * asked.height and online.stale == {}


def test_homes_on_one_server_keep_apart(in_redis, filled, asked, tmp_path):
    other = another_home(filled, tmp_path / "other")
    before, asked = held(in_redis.home), asked.drop("borrower_id")
    with pytest.raises(RecoupError, match="never filled"):
        other.online("recovery_v1", asked)
    other.materialize(NOW - timedelta(days=400))
    assert held(in_redis.home) == before != held(other.home)
    empty(other.home)
    assert held(in_redis.home) == before


def test_redis_keeps_what_stands_and_forgets_the_rest(in_redis, redis_url):
    from redis import Redis

    client = Redis.from_url(redis_url)
    prefix = (in_redis.home.feast / "name").read_text()

    def kept() -> list[bytes]:
        return [key for key in client.scan_iter(f"{prefix}:*") if client.ttl(key) == -1]

    before = kept()
    assert len(before) == len(MARTS) + 2, "a hash a view, the plan and the count of generations"
    materialized(in_redis, NOW)
    with pytest.raises(ZeroDivisionError), tables_of(in_redis.home).writing() as change:
        change.put("asset", [("L1", b"new")])
        raise ZeroDivisionError
    assert len(kept()) == len(before) and set(kept()) != set(before)


@pytest.fixture
def in_redis(filled, redis_url, tmp_path, monkeypatch) -> FeatureDoor:
    """Return a home of one's own with the same marts, online in Redis up to `NOW`."""
    monkeypatch.setenv("RECOUP_ONLINE_STORE", redis_url)
    door = another_home(filled, tmp_path / "in_redis")
    door.materialize(NOW)
    return door


def test_server_that_cannot_be_reached_is_named_without_its_password(filled, asked, tmp_path, monkeypatch):
    with socket.socket() as closed:  # bound and not listening: nobody answers there
        closed.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{closed.getsockname()[1]}"
        monkeypatch.setenv("RECOUP_ONLINE_STORE", f"redis://desk:s3cret@{place}/0")
        door = another_home(filled, tmp_path / "far")
        for step in (lambda: door.materialize(NOW), lambda: door.online("recovery_v1", asked.drop("borrower_id"))):
            with pytest.raises(RecoupError, match=f"{place} does not answer.*RECOUP_ONLINE_STORE") as told:
                step()
            assert "s3cret" not in "".join(traceback.format_exception(told.value))
    assert "s3cret" not in everything_written(door.home.root)


def test_scoring_read_loads_no_feast(filled, asked, tmp_path):
    asked = asked.drop("borrower_id")
    asked.write_ipc(tmp_path / "asked.arrow")
    answer = subprocess.run(
        [sys.executable, "-c", _READ, str(filled.home.root), str(tmp_path / "asked.arrow")],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert answer.stdout.split() == [digest(filled.online("recovery_v1", asked).frame), "False"]


def test_one_row_is_as_it_is_among_many(filled, asked):
    many = filled.online("recovery_v1", asked.drop("borrower_id"))
    for row in (0, 1, asked.height - 1):
        one = filled.online("recovery_v1", asked.drop("borrower_id").slice(row, 1))
        assert digest(one.frame) == digest(many.frame.slice(row, 1))
        assert one.keys.equals(many.keys.slice(row, 1)) and one.known_at == many.known_at[row : row + 1]


def test_loan_asked_twice_is_answered_twice(filled, asked):
    twice = asked.drop("borrower_id")[[3, 0, 3, 3]]
    answer = filled.online("recovery_v1", twice, also=["asset:currency", "contact:attempts"])
    alone = filled.online("recovery_v1", twice[1:3], also=["asset:currency", "contact:attempts"])
    assert digest(answer.frame[1:3]) == digest(alone.frame) and answer.also[1:3].equals(alone.also)
    assert digest(answer.frame.drop("horizon_months")[:1]) == digest(answer.frame.drop("horizon_months")[3:])


def test_a_damaged_row_is_refused_and_the_others_are_read(copied, asked):
    materialized(copied, NOW)
    spoilt, sound = asked[:1], asked[1:2]
    key = spoilt["loan_id"][0]
    assert sound["loan_id"][0] != key
    with tables_of(copied.home).writing() as change:
        ((row,),) = change.rows({"financial": [key]}).values()
        change.put("financial", [(key, row[:-1] + bytes([row[-1] ^ 4]))])
    door = FeatureDoor(copied.home)
    assert not door.online("recovery_v1", sound).frame.is_empty()
    with pytest.raises(RecoupError, match="damaged"):
        door.online("recovery_v1", spoilt)


def test_rows_that_are_packed_otherwise_are_written_anew(copied, asked, monkeypatch):
    whole = materialized(copied, NOW)
    plan_of.cache_clear()
    monkeypatch.setattr("features.online_store.tables.PACKING", rows.PACKING + 1)
    with pytest.raises(RecoupError, match="recoup materialize"):
        FeatureDoor(copied.home).online("recovery_v1", asked[:1])
    FeatureDoor(copied.home).materialize(NOW)
    assert held(copied.home) == whole


def test_stock_engine_of_feast_writes_the_same_rows(copied):
    import yaml
    from feast import FeatureStore

    ours = materialized(copied, NOW).split("\n")[0]
    place = copied.home.feast / "feature_store.yaml"
    config = yaml.safe_load(place.read_text())
    place.write_text(yaml.safe_dump(config | {"batch_engine": {"type": "local"}}))
    empty(copied.home)
    FeatureStore(repo_path=str(copied.home.feast)).materialize(datetime(1970, 1, 1, tzinfo=UTC), NOW)
    assert held(copied.home).split("\n")[0] == ours


def test_value_written_through_feast_is_read_until_the_mart_is_materialized_anew(copied, asked):
    from feast import FeatureStore
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    whole = materialized(copied, NOW)
    loan = asked["loan_id"][0]
    stock = FeatureStore(repo_path=str(copied.home.feast))
    row = pl.read_parquet(copied.home.marts / "asset.parquet").filter(pl.col("loan_id") == loan).tail(1)
    stock.write_to_online_store("asset", row.with_columns(product=pl.lit("Ärger"), balance=0.1).to_pandas())
    key = EntityKey(join_keys=["loan_id"], entity_values=[Value(string_val=loan)])
    part = {"balance": Value(double_val=0.3), "purpose": Value()}
    view = stock.get_feature_view("asset")
    stock._get_provider().online_write_batch(stock.config, view, [(key, part, NOW, None)], None)
    answer = copied.online("recovery_v1", asked.drop("borrower_id").head(2)).frame
    assert answer.select("product", "balance", "purpose").row(0) == ("Ärger", 0.3, "missing")
    read = stock.get_online_features(["asset:product", "asset:balance", "asset:purpose"], [{"loan_id": loan}])
    assert read.to_dict() == {"loan_id": [loan], "product": ["Ärger"], "balance": [0.3], "purpose": [None]}
    assert answer["credit_grade"][0] == row["credit_grade"][0]
    copied.materialize(NOW)
    assert held(copied.home) == whole


def test_view_that_cannot_be_packed_is_refused(copied):
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, ValueType
    from feast.errors import FeastError
    from feast.types import Int64

    loan = Entity(name="loan_id", join_keys=["loan_id"], value_type=ValueType.STRING)
    mart = str(copied.home.marts / "asset.parquet")
    view = FeatureView(
        name="counted", entities=[loan], schema=[Field(name="term_months", dtype=Int64)],
        source=FileSource(name="counted", path=mart, timestamp_field="event_timestamp"),
    )  # fmt: skip
    with pytest.raises(FeastError, match="term_months"):
        FeatureStore(repo_path=str(copied.home.feast)).apply([loan, view])
