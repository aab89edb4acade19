"""A home comes back as it was, however busy it is, and only to where it was."""

import shutil
import sqlite3
import threading
from contextlib import closing

import pytest

from features.backup import backup, restore
from features.errors import RecoupError
from features.home import Home
from features.store import FeatureDoor
from tests.features.conftest import NOW
from tests.features.small_world import digest, lake_as_read, same


@pytest.fixture
def copied(filled, tmp_path) -> Home:
    home = Home(tmp_path / "home")
    shutil.copytree(filled.home.root, home.root)
    FeatureDoor(home).materialize(NOW)
    return home


def test_a_restored_home_answers_as_before(copied, asked, tmp_path):
    questions = asked.drop("borrower_id")
    before = digest(FeatureDoor(copied).online("recovery_v1", questions).frame), lake_as_read(copied)
    (copied.bentoml / "bentos").mkdir(parents=True)
    (copied.bentoml / "bentos" / "large").write_text("can be built again")
    file = tmp_path / "backup.tar"
    count = backup(copied, file)
    assert file.stat().st_mode & 0o777 == 0o600
    copied.root.rename(tmp_path / "lost")
    assert restore(copied, file) == count
    assert digest(FeatureDoor(copied).online("recovery_v1", questions).frame) == before[0]
    assert same(lake_as_read(copied), before[1])
    assert not copied.bentoml.exists()
    FeatureDoor(copied).materialize(NOW)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["backup.tar", "home", "lost"]


def test_a_database_is_copied_between_two_transactions(tmp_path):
    """Every transaction adds two rows: a backup with one of them, or none readable, is of no use."""
    home, stop = Home(tmp_path / "home"), threading.Event()
    home.mlflow.mkdir(parents=True)
    path = home.mlflow / "mlflow.db"
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("CREATE TABLE pairs (one)")

    def write():
        with closing(sqlite3.connect(path, isolation_level=None)) as writer:
            while not stop.is_set():
                writer.execute("BEGIN")
                writer.executemany("INSERT INTO pairs VALUES (?)", [["x" * 5000]] * 2)
                writer.execute("COMMIT")

    thread = threading.Thread(target=write)
    thread.start()
    counts = []
    for number in range(5):
        backup(home, tmp_path / f"{number}.tar")
    stop.set()
    thread.join()
    for number in range(5):
        shutil.rmtree(home.root)
        restore(home, tmp_path / f"{number}.tar")
        with closing(sqlite3.connect(path)) as database:
            counts.append(database.execute("SELECT count(*) FROM pairs").fetchone()[0])
    assert all(count % 2 == 0 for count in counts) and counts == sorted(counts) and counts[-1] > 0


def test_what_would_overwrite_or_mislead_is_refused(home, tmp_path):
    file = tmp_path / "backup.tar"
    with pytest.raises(RecoupError, match="is not there"):
        backup(home, file)
    home.keys.mkdir(parents=True)
    (home.keys / "keys.json").write_text("{}")
    with pytest.raises(RecoupError, match="inside the home"):
        backup(home, home.root / "backup.tar")
    backup(home, file)
    with pytest.raises(RecoupError, match="already"):
        backup(home, file)
    with pytest.raises(RecoupError, match="already"):
        restore(home, file)
    with pytest.raises(RecoupError, match=f"is of {home.root}"):
        restore(Home(tmp_path / "elsewhere"), file)
    shutil.rmtree(home.root)
    torn = tmp_path / "torn.tar"
    torn.write_bytes(file.read_bytes()[:700])
    with pytest.raises(RecoupError, match="cannot be restored"):
        restore(home, torn)
    assert not home.root.exists()
