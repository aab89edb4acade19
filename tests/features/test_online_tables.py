"""Tables of an online store, on SQLite and Redis: a change is seen whole or not at all."""

import threading
import traceback
import uuid
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import RecoupError
from features.online_store import rows
from features.online_store.rows import Layout
from features.online_store.tables import Lead, Reading, Standing, Tables, open_tables
from tests.features.conftest import NOW

LAYOUT = Layout(("balance",), ("product",))


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
        "x": [1.0] * len(texts), "at": pa.array([NOW] * len(texts), pa.timestamp("us", "UTC")),
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


def test_later_of_two_writers_at_once_is_told_to_run_again(redis_url):
    tables = open_tables(redis_url, f"test:{uuid.uuid4().hex}")
    with pytest.raises(RecoupError, match="run this one again"), tables.writing() as late:
        late.clear("asset")
        late.put("asset", [("L1", b"late")])
        late.stand("asset", Standing(LAYOUT))
        fill(tables, "asset", {"L1": b"early"})
    assert ask(tables, "asset", "L1") == [b"early"]


@pytest.mark.parametrize("url", ["redis://:s3cret/more@localhost:6379/0", "redis://:s3cret@localhost:door/0"])
def test_url_that_cannot_be_read_is_not_shown(url):
    with pytest.raises(RecoupError, match="URL cannot be read") as told:
        open_tables(url, "test")
    assert "s3cret" not in "".join(traceback.format_exception(told.value))


@settings(max_examples=25)
@given(st.dictionaries(st.text(min_size=1).filter(lambda key: "\x00" not in key), st.binary(), max_size=6))
def test_any_key_and_any_row_are_kept(found):
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        store = open_tables(str(Path(folder) / "online.db"), "test")
        fill(store, "any view", found)
        assert ask(store, "any view", *found, "and \U0001f600") == [*found.values(), found.get("and \U0001f600")]
