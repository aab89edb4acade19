"""Homes of their own for tests that spoil them."""

import shutil

import pytest

from features.home import Home


@pytest.fixture(scope="session")
def another_home(worked, tmp_path_factory):
    """Make copies of the home that has walked the road, without its services and decisions."""

    def copy():
        home = Home(tmp_path_factory.mktemp("another") / "home")
        shutil.copytree(worked.root, home.root, ignore=shutil.ignore_patterns("journal", "bentoml", "releases"))
        return home

    return copy
