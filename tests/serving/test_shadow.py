"""The shadow is asked beside the answers: it rests, leaves out what is too much, and survives what befalls it."""

import threading
from types import SimpleNamespace

import pytest

from serving.versions import shadow
from serving.versions.shadow import SHADOWED, Shadow


class Clock:
    """A clock that only what is asked moves; notes the rests."""

    def __init__(self):
        self.now, self.rests = 0.0, []

    def __call__(self):
        return self.now

    def work(self, seconds):
        self.now += seconds


def counted(outcome):
    return SHADOWED.labels(outcome)._value.get()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(shadow, "time", SimpleNamespace(perf_counter=clock, sleep=clock.rests.append))
    return clock


def test_after_each_question_it_rests_in_proportion(clock):
    beside, done = Shadow(), threading.Event()
    for seconds in (1.0, 0.25, 2.0):
        beside.offer(lambda seconds=seconds: clock.work(seconds))
    beside.offer(done.set)
    beside.start()
    assert done.wait(30)
    assert clock.rests[:3] == [4.0, 1.0, 8.0], "a fifth of its time is the most that it takes"


def test_what_is_too_much_is_left_out_and_a_failure_ends_nothing(clock):
    beside, done, before = Shadow(), threading.Event(), {name: counted(name) for name in ("left_out", "failed")}
    beside.offer(lambda: 1 / 0)
    for _ in range(62):
        beside.offer(lambda: None)
    beside.offer(done.set)
    for _ in range(10):
        beside.offer(lambda: None)
    beside.start()
    assert done.wait(30)
    assert {name: counted(name) - was for name, was in before.items()} == {"left_out": 10, "failed": 1}
