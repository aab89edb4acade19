"""Keys: made, shown once, kept as hashes, good for their scopes and their time."""

from datetime import UTC, datetime, timedelta

import pytest

from features.errors import RecoupError
from recoup.commands import keys
from serving.access.keys import SCOPES, KeyRing


@pytest.fixture(autouse=True)
def no_key_in_the_environment(monkeypatch):
    monkeypatch.delenv("RECOUP_API_KEY", raising=False)


def test_a_key_opens_its_scopes_and_is_kept_as_a_hash(home):
    made, shown = KeyRing(home).make(["price", "explain"], None)
    held = KeyRing(home).holder(shown.encode())
    assert held == made and [held.may(scope) for scope in SCOPES] == [True, False, True, False]
    (kept,) = [path for path in home.keys.iterdir() if path.suffix == ".json"]
    assert shown not in kept.read_text() and shown.removeprefix("recoup_") not in kept.read_text()
    for wrong in (b"", shown[:-1].encode(), shown.upper().encode(), made.id.encode()):
        assert KeyRing(home).holder(wrong) is None


def test_a_key_ends_with_its_time(home):
    ring = KeyRing(home)
    ends = datetime.now(UTC) + timedelta(days=1)
    made, shown = ring.make(["price"], ends)
    assert ring.holder(shown.encode()) == made
    assert not made.expired(ends - timedelta(microseconds=1)) and made.expired(ends)
    with pytest.raises(RecoupError, match="a day to come"):
        ring.make(["price"], datetime.now(UTC) - timedelta(seconds=1))


def test_a_ring_sees_what_another_makes_and_revokes(home):
    serving, desk = KeyRing(home), KeyRing(home)
    made = [desk.make(["price"], None) for _ in range(3)]
    assert all(serving.holder(shown.encode()) == key for key, shown in made)
    desk.revoke(made[1][0].id)
    assert [serving.holder(shown.encode()) is None for _, shown in made] == [False, True, False]
    with pytest.raises(RecoupError, match="recoup key list"):
        desk.revoke(made[1][0].id)


@pytest.mark.parametrize("scopes", [[], ["prices"], ["price", "everything"]])
def test_unknown_scopes_are_refused(home, scopes):
    with pytest.raises(RecoupError, match="price, dispatch, explain, admin"):
        KeyRing(home).make(scopes, None)


def test_the_environments_key_has_every_scope_and_is_long_enough(home, monkeypatch):
    monkeypatch.setenv("RECOUP_API_KEY", "a key of the environment")
    assert KeyRing(home).holder(b"a key of the environment").scopes == SCOPES
    monkeypatch.setenv("RECOUP_API_KEY", "short")
    with pytest.raises(RecoupError, match="RECOUP_API_KEY is too short"):
        KeyRing(home)


def test_keys_that_cannot_be_read_open_nothing(home):
    ring = KeyRing(home)
    _, shown = ring.make(["price"], None)
    (home.keys / "keys.json").write_text("{broken")
    with pytest.raises(RecoupError, match="cannot be read"):
        ring.holder(shown.encode())


def test_the_commands_make_list_and_revoke(home, capsys):
    keys.key_create(["dispatch"], "2999-12-31")
    shown = capsys.readouterr().out.strip()
    made = KeyRing(home).holder(shown.encode())
    assert made.expires_at.startswith("2999-12-31T23:59:59")
    keys.key_list()
    listed = capsys.readouterr().out
    assert made.id in listed and "dispatch" in listed and "2999-12-31" in listed and shown not in listed
    keys.key_revoke(made.id)
    assert KeyRing(home).holder(shown.encode()) is None
