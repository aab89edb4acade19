"""Packed rows lose no bit, a change of the store is seen whole or not at all, Feast reads what we read."""

import math
import multiprocessing
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
import traceback
import uuid
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import RecoupError
from features.home import Home
from features.marts import MARTS
from features.online_store import rows
from features.online_store.packed import PackedOnlineStore
from features.online_store.rows import NEVER, Layout
from features.online_store.tables import Lead, Reading, Standing, Tables, open_tables, plan_of
from features.store import FeatureDoor
from tests.features.conftest import NOW
from tests.features.small_world import digest, everything_written

ROOT = Path(__file__).parents[2]
STAMP = pa.timestamp("us", "UTC")
LAYOUT = Layout(("balance", "rate"), ("product", "stage"))
NUMBERS, TEXTS = st.none() | st.floats(), st.none() | st.text()
INSTANTS = st.integers(-(2**62), 2**62)
ROWS = st.lists(st.none() | st.tuples(NUMBERS, NUMBERS, TEXTS, TEXTS, INSTANTS, st.none() | INSTANTS), max_size=8)
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


def table(many: list[tuple]) -> pa.Table:
    kinds = [pa.float64(), pa.float64(), pa.string(), pa.string(), STAMP, STAMP]
    names = [*LAYOUT.numbers, *LAYOUT.categories, "event", "created"]
    return pa.table([pa.array([row[n] for row in many], kind) for n, kind in enumerate(kinds)], names)


def bits(value: float | None) -> str | None:
    """Tell apart what must stay apart: null, NaN, and either zero."""
    return None if value is None else "nan" if math.isnan(value) else value.hex()


@given(ROWS)
def test_what_is_packed_comes_back_to_the_bit(many):
    packed = iter(rows.pack(LAYOUT, table([row for row in many if row]), "event", "created"))
    columns = rows.unpack(LAYOUT, [next(packed) if row else None for row in many])
    whole = [row or (None, None, None, None, NEVER, NEVER) for row in many]
    assert columns.found == [row is not None for row in many]
    for place, name in enumerate(LAYOUT.numbers):
        numbers = columns.number(name)
        nulls = rows.is_null(numbers)
        back = [None if null else bits(value) for value, null in zip(numbers.tolist(), nulls, strict=True)]
        assert back == [bits(row[place]) for row in whole]
    for place, name in enumerate(LAYOUT.categories, start=2):
        if many:
            assert columns.category(name) == [row[place] for row in whole]
    assert columns.event.tolist() == [row[4] for row in whole]
    assert columns.created.tolist() == [NEVER if row[5] is None else row[5] for row in whole]


def test_rows_of_another_layout_are_refused():
    packed = rows.pack(LAYOUT, table([(1.0, 2.0, "a", "b", 0, 0)]), "event", "created")
    swapped = Layout(("rate", "balance"), ("product", "stage"))
    with pytest.raises(RecoupError, match="recoup materialize"):
        rows.unpack(swapped, packed)


@given(st.tuples(NUMBERS, NUMBERS, TEXTS, TEXTS, INSTANTS, st.none() | INSTANTS), st.data())
def test_no_bit_of_a_row_can_flip_unseen(row, data):
    (packed,) = rows.pack(LAYOUT, table([row]), "event", "created")
    place = data.draw(st.integers(0, 8 * len(packed) - 1))
    flipped = bytearray(packed)
    flipped[place // 8] ^= 1 << place % 8
    for read in (lambda: rows.unpack(LAYOUT, [None, bytes(flipped)]), lambda: rows.unpack_one(LAYOUT, bytes(flipped))):
        with pytest.raises(RecoupError, match="damaged" if place >= 32 else "recoup materialize"):
            read()


@pytest.fixture
def redis_url() -> str:
    url = os.environ.get("RECOUP_TEST_REDIS")
    if not url:
        pytest.skip("RECOUP_TEST_REDIS names no Redis server; `.ci/servers make test` starts one")
    return url


@pytest.fixture(params=["sqlite", "redis"])
def place(request, tmp_path) -> tuple[str, str]:
    """Return where an empty store of each kind is, and its name there."""
    if request.param == "sqlite":
        return str(tmp_path / "online.db"), "test"
    return request.getfixturevalue("redis_url"), f"test:{uuid.uuid4().hex}"


@pytest.fixture
def tables(place) -> Tables:
    return open_tables(*place)


def fill(tables: Tables, view: str, found: dict[str, bytes], until: datetime | None = None) -> None:
    with tables.writing() as change:
        change.clear(view)
        change.put(view, found.items())
        change.stand(view, Standing(LAYOUT, until))


def ask(tables: Tables, view: str, *keys: str) -> list[bytes | None]:
    return tables.read(lambda sight: sight.rows({view: keys})[view])


def test_store_never_written_says_what_to_run(tables):
    with pytest.raises(RecoupError, match="never filled: run `recoup materialize`"):
        tables.read(lambda sight: sight.plan)


def test_rows_and_standing_are_read_as_written(tables):
    fill(tables, "asset", {"é'\"": b"\x00\xff", "L2": b"two"}, NOW)
    assert ask(tables, "asset", "L2") == [b"two"]
    assert ask(tables, "asset", "L2", "nobody", "é'\"") == [b"two", None, b"\x00\xff"]
    assert ask(tables, "contact", "L2") == [None]
    assert ask(tables, "asset", "") == [None]
    assert tables.read(lambda sight: sight.plan) == {"asset": Standing(LAYOUT, NOW)}
    with tables.writing() as change:
        change.put("asset", [("L2", b"new")])
    assert ask(tables, "asset", "L2", "é'\"") == [b"new", b"\x00\xff"]
    with tables.writing() as change:
        change.drop("asset")
    assert ask(tables, "asset", "L2") == [None]


def test_what_a_reader_keeps_lasts_until_the_store_changes(tables):
    fill(tables, "region", {"CA": b"1"})

    def kept() -> bytes | None:
        return tables.read(lambda sight: sight.kept.setdefault("CA", sight.rows({"region": ["CA"]})["region"]))[0]

    assert [kept(), kept()] == [b"1", b"1"]
    with tables.writing() as change:
        change.put("region", [("CA", b"2")])
    assert [kept(), kept()] == [b"2", b"2"]


@pytest.mark.parametrize("place_of_text", [0, 1, 2])
def test_what_rows_lead_to_is_read_as_if_it_was_asked_for_by_itself(tables, place_of_text):
    layout = Layout(("x",), ("first", "second", "third"))
    texts = ["B1", None, "", "é'ÿ", "B2", "nobody there"]
    named = {f"L{row}": [f"{row}a", f"{row}ÿ", None] for row in range(len(texts))}
    for row, text in enumerate(texts):
        named[f"L{row}"][place_of_text] = text
    table = pa.table({
        "x": [1.0] * len(texts), "at": pa.array([NOW] * len(texts), STAMP),
        **{name: [row[n] for row in named.values()] for n, name in enumerate(layout.categories)},
    })  # fmt: skip
    with tables.writing() as change:
        for view, packed in (("asset", dict(zip(named, rows.pack(layout, table, "at", None), strict=True))),
                             ("financial", {"L0": b"f0"}), ("customer", {"B1": b"1", "é'ÿ": b"2", "none": b"3"}),
                             ("contact", {"B2": b"4"})):  # fmt: skip
            change.clear(view)
            change.put(view, packed.items())
            change.stand(view, Standing(layout if view == "asset" else LAYOUT, NOW))
    loans = [*named, "never seen", "L0"]
    lead = Lead("asset", place_of_text, "none", ("customer", "contact"))
    people = ["B1", "none", "none", "é'ÿ", "B2", "nobody there", "none", "B1"]

    def read(sight: Reading, ahead: Lead | None) -> tuple:
        own = sight.rows(dict.fromkeys(("financial", "asset"), loans), ahead)
        return own, sight.rows(dict.fromkeys(lead.views, people)), sight.rows({"customer": ["B1", "B2"]})

    assert tables.read(lambda sight: read(sight, None)) == tables.read(lambda sight: read(sight, lead))
    own, led, _ = tables.read(lambda sight: read(sight, lead))
    assert own["financial"] == [b"f0", *[None] * 6, b"f0"]
    assert led["customer"] == [b"1", b"3", b"3", b"2", None, None, b"3", b"1"]
    assert led["contact"] == [None] * 4 + [b"4"] + [None] * 3


def test_change_is_seen_whole_or_not_at_all(tables):
    fill(tables, "asset", {"L1": b"old"})
    fill(tables, "contact", {"B1": b"old"})

    def broken() -> None:
        with tables.writing() as change:
            change.clear("asset")
            change.put("asset", [("L1", b"new")])
            change.put("contact", [("B1", b"new")])
            assert ask(tables, "asset", "L1") == [b"old"], "a reader saw what was not committed"
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        broken()

    def within(sight: Reading) -> None:
        assert sight.rows({"asset": ["L1"], "contact": ["B1"]}) == {"asset": [b"old"], "contact": [b"old"]}
        fill(tables, "asset", {"L1": b"new"})
        assert sight.rows({"asset": ["L1"]}) == {"asset": [b"old"]}, "one sight showed two states"

    tables.read(within)
    assert ask(tables, "asset", "L1") == [b"new"]


def test_a_reader_whose_plan_is_of_old_reads_anew(place, tables):
    fill(tables, "asset", {"L1": b"old"})
    seen: list[str] = []

    def read(sight: Reading) -> tuple[list[bytes | None], list[str]]:
        seen.append(" ".join(sorted(sight.plan)))
        return sight.rows({"asset": ["L1"]})["asset"], sorted(sight.plan)

    assert tables.read(read) == ([b"old"], ["asset"])
    another = open_tables(*place)
    fill(another, "asset", {"L1": b"new"})
    fill(another, "contact", {"B1": b"new"})
    assert tables.read(read) == ([b"new"], ["asset", "contact"])
    assert tables.read(lambda sight: sorted(sight.plan)) == ["asset", "contact"]
    with another.writing() as change:
        change.drop("contact")
    assert tables.read(lambda sight: sorted(sight.plan)) == ["asset"], "a plan is looked at though no row was asked for"
    assert seen.count("asset contact") == 1


def test_threads_read_while_a_writer_writes(tables):
    fill(tables, "asset", {str(key): b"0" for key in range(50)})
    torn, done = [], threading.Event()

    def read() -> None:
        while not done.is_set():
            seen = set(ask(tables, "asset", *map(str, range(50))))
            torn.extend([seen] if len(seen) != 1 else [])

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for number in range(30):
        fill(tables, "asset", {str(key): b"%d" % number for key in range(50)})
    done.set()
    for reader in readers:
        reader.join()
    assert torn == []
    assert ask(tables, "asset", "7") == [b"29"]


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


def test_later_of_two_writers_at_once_is_told_to_run_again(redis_url):
    tables = open_tables(redis_url, f"test:{uuid.uuid4().hex}")
    with pytest.raises(RecoupError, match="run this one again"), tables.writing() as late:
        late.clear("asset")
        late.put("asset", [("L1", b"late")])
        late.stand("asset", Standing(LAYOUT))
        fill(tables, "asset", {"L1": b"early"})
    assert ask(tables, "asset", "L1") == [b"early"]


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


@pytest.mark.parametrize("url", ["redis://:s3cret/more@localhost:6379/0", "redis://:s3cret@localhost:door/0"])
def test_url_that_cannot_be_read_is_not_shown(url):
    with pytest.raises(RecoupError, match="URL cannot be read") as told:
        open_tables(url, "test")
    assert "s3cret" not in "".join(traceback.format_exception(told.value))


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


@settings(max_examples=25)
@given(st.dictionaries(st.text(min_size=1).filter(lambda key: "\x00" not in key), st.binary(), max_size=6))
def test_any_key_and_any_row_are_kept(found):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = open_tables(str(Path(folder) / "online.db"), "test")
        fill(store, "any view", found)
        assert ask(store, "any view", *found, "and \U0001f600") == [*found.values(), found.get("and \U0001f600")]
