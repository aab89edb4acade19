"""On PostgreSQL the marts are the same to the bit, Feast's own store reads them, and no secret is written down."""

from collections.abc import Iterator

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import environment
from features.errors import RecoupError
from features.home import Home
from features.marts import MARTS
from features.marts.timeline import KNOWN, LEARNT
from features.postgres import connected
from features.postgres_marts import PostgresMarts
from features.store import FeatureDoor
from tests import servers
from tests.features.conftest import NOW
from tests.features.small_world import digest, everything_written

FEATURES = {feature.name: feature.kind for feature in MARTS["customer"].FEATURES}
NUMBER = next(name for name, kind in FEATURES.items() if kind != "category")
TEXT = next(name for name, kind in FEATURES.items() if kind == "category")
# PostgreSQL's text knows no zero byte, and a file in UTF-8 no half of a surrogate pair
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=4)
INSTANTS = st.datetimes(min_value=NOW.replace(1700, tzinfo=None), max_value=NOW.replace(2200, tzinfo=None))
ROWS = st.lists(st.tuples(TEXTS, INSTANTS, st.none() | st.floats(), st.none() | TEXTS), max_size=5)


@pytest.fixture(scope="module")
def database(filled) -> Iterator[str]:
    """Choose the server profile, once the embedded home is there; gives the URL of its database."""
    with servers.server_profile() as url:
        yield url


@pytest.fixture(scope="module")
def on_server(database, filled, tmp_path_factory) -> FeatureDoor:
    """Return a door to the small world on PostgreSQL and Redis."""
    home = Home(tmp_path_factory.mktemp("server") / "home")
    home.root.mkdir()
    home.lake.symlink_to(filled.home.lake)
    door = FeatureDoor(home)
    door.refresh()
    door.materialize(NOW)
    return door


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=40)
@given(ROWS)
def test_what_goes_in_comes_out_to_the_bit(database, tmp_path, many):
    stamp = pl.Datetime("us", "UTC")
    table = pl.DataFrame(
        {MARTS["customer"].ENTITY: [row[0] for row in many]}
        | {name: pl.Series([row[1] for row in many], dtype=pl.Datetime("us")) for name in (KNOWN, LEARNT)}
        | {NUMBER: [row[2] for row in many], TEXT: [row[3] for row in many]},
        schema_overrides={MARTS["customer"].ENTITY: pl.String, NUMBER: pl.Float64, TEXT: pl.String},
    ).with_columns(pl.col(KNOWN, LEARNT).dt.replace_time_zone("UTC").cast(stamp))
    marts = PostgresMarts(database, tmp_path)
    marts.write([("customer", table)], {"lake": "1"})
    for _ in ("copied", "as copied before"):
        assert digest(pl.read_parquet(marts.file("customer"))) == digest(table)
    assert marts.built_from() == {"lake": "1"}


def test_a_refresh_that_fails_leaves_the_former_marts(database, tmp_path):
    marts = PostgresMarts(database, tmp_path)
    table = pl.DataFrame({"borrower_id": ["B1"]}, schema={"borrower_id": pl.String})

    def broken():
        yield "customer", table.with_columns(pl.lit("B2").alias("borrower_id"))
        raise RecoupError("killed")

    marts.write([("customer", table)], {"lake": "1"})
    with pytest.raises(RecoupError, match="killed"):
        marts.write(broken(), {"lake": "2"})
    assert pl.read_parquet(marts.file("customer")).rows() == [("B1",)]
    assert marts.built_from() == {"lake": "1"}


@pytest.mark.parametrize("service", ["recovery_v1", "contact_v1"])
def test_both_profiles_give_the_same_frames_and_rows(on_server, filled, asked, service):
    frame = on_server.frame(service, asked)
    online = on_server.online(service, asked.drop("borrower_id")).frame
    with servers.embedded_profile():
        assert digest(frame) == digest(online) == digest(filled.frame(service, asked))


def test_feasts_own_postgres_store_reads_the_same_values(on_server, asked, database):
    from feast import FeatureStore, RepoConfig
    from psycopg.conninfo import conninfo_to_dict

    parts = conninfo_to_dict(database)
    config = FeatureStore(repo_path=str(on_server.home.feast)).config
    stock = FeatureStore(
        config=RepoConfig(
            project=config.project, provider="local", registry=config.registry, entity_key_serialization_version=3,
            online_store=config.online_store,
            offline_store={"type": "postgres", "host": parts["host"], "port": int(parts["port"]), "sslmode": "disable",
                           "database": parts["dbname"], "user": parts["user"], "password": parts["password"]},
        )
    )  # fmt: skip
    names = [feature.name for feature in MARTS["asset"].FEATURES]
    rows = asked.select("loan_id", pl.col("moment").dt.offset_by("-200d").alias(KNOWN))
    found = [
        pl.from_pandas(
            store.get_historical_features(
                rows.to_pandas(), [f"asset:{name}" for name in names], filter_by_created_timestamp=True
            ).to_df()
        ).sort("loan_id")
        for store in (stock, FeatureStore(repo_path=str(on_server.home.feast)))
    ]
    assert found[0].select(names).equals(found[1].select(names)) and found[0].height == asked.height


def test_a_database_belongs_to_one_home(on_server, filled, tmp_path):
    other = Home(tmp_path / "other")
    other.root.mkdir()
    other.lake.symlink_to(filled.home.lake)
    with pytest.raises(RecoupError, match="belongs to another home"):
        FeatureDoor(other).refresh()


def test_no_secret_is_written_down(on_server):
    written = everything_written(on_server.home.feast)
    assert "a-password" not in written and "recoup_postgres_url" in written and "redis://" not in written


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"RECOUP_PROFILE": "cloud"}, "embedded or server"),
        ({"RECOUP_POSTGRES_URL": ""}, "needs RECOUP_POSTGRES_URL"),
        ({"RECOUP_ONLINE_STORE": ""}, "needs RECOUP_ONLINE_STORE"),
    ],
)
def test_a_profile_that_lacks_a_setting_says_which(monkeypatch, changed, told):
    given = {
        "RECOUP_PROFILE": "server",
        "RECOUP_POSTGRES_URL": "postgresql://h/d",
        "RECOUP_ONLINE_STORE": "redis://h/0",
    }
    for name, value in (given | changed).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(RecoupError, match=told):
        environment.database_url()


@pytest.mark.parametrize("place", ["u:x9/y8@localhost/d", "u:x9y8@localhost:1/d", "u:x9 y8@localhost/d"])
def test_a_server_that_does_not_answer_is_named_without_its_password(place):
    with pytest.raises(RecoupError, match="RECOUP_POSTGRES_URL") as told, connected(f"postgresql://{place}"):
        pass
    assert not any(part in str(told.value) for part in ("x9", "y8", "\n"))
