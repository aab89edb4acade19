"""Feast's settings for a home: what a stock Feast client finds in ``feature_store.yaml``."""

import logging
import os
import uuid
from pathlib import Path
from typing import Any

import yaml

from features.environment import DATABASE, ONLINE_STORE, database_url
from features.files import replace
from features.home import Home
from features.mart_tables import COPIES

_PROJECT = "recoup"
_SCHEMA = "feast"
# settings that may hold a password stand there by the name of their variable, which Feast fills in
_BY_PROFILE: dict[str, dict[str, Any]] = {
    "embedded": {
        "registry": "registry.db",
        "offline_store": {"type": "features.asof_store.AsOfOfflineStore"},
    },
    "server": {
        "registry": {
            "registry_type": "sql",
            "path": f"${{{DATABASE}}}",
            "sqlalchemy_config_kwargs": {"connect_args": {"options": f"-csearch_path={_SCHEMA}"}},
        },
        "offline_store": {
            "type": "features.postgres_store.PostgresAsOfOfflineStore",
            "url": f"${{{DATABASE}}}",
            "copies": f"../marts/{COPIES}",
        },
    },
}


def online_location(home: Home) -> str:
    """Return where the online store is: an SQLite file of the home, or ``redis://…`` from the environment."""
    return os.environ.get(ONLINE_STORE) or str(home.feast / "packed.db")


def name(home: Home) -> str | None:
    """Return what names this home's rows on a server which holds those of several; None before `write`."""
    place = _name(home)
    return place.read_text() if place.is_file() else None


def write(home: Home) -> None:
    """Write ``feature_store.yaml`` where it does not say what holds now, and make ready what it names.

    Raises
    ------
    RecoupError
        When the profile lacks a setting, or its PostgreSQL server does not answer or is another home's.
    """
    if not _name(home).is_file():
        replace(_name(home), f"{_PROJECT}:{uuid.uuid4().hex}".encode())
    url = database_url()
    if url is not None:
        from features.postgres import claim, make_schema

        make_schema(url, _SCHEMA)
        claim(url, name(home) or "")
        # Feast warns of every URL that leaves the choice of a driver to it
        logging.getLogger("feast.repo_config").setLevel(logging.ERROR)
    settings = {
        "project": _PROJECT,
        "provider": "local",
        **_BY_PROFILE["embedded" if url is None else "server"],
        "online_store": {
            "type": "features.online_store.packed.PackedOnlineStore",
            "location": f"${{{ONLINE_STORE}}}" if os.environ.get(ONLINE_STORE) else online_location(home),
            "name": name(home),
        },
        "batch_engine": {"type": "features.online_store.engine.PackedComputeEngine"},
        "entity_key_serialization_version": 3,
    }
    content, place = yaml.safe_dump(settings).encode(), home.feast / "feature_store.yaml"
    if not place.is_file() or place.read_bytes() != content:
        replace(place, content)


def _name(home: Home) -> Path:
    return home.feast / "name"
