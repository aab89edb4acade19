"""What bounds a service's work: the rate of a key, and the line of those who wait."""

import asyncio
import contextlib
import socket
import threading
import time
from collections import Counter

import pytest
import uvloop
from hypothesis import given
from hypothesis import strategies as st

from features.errors import RecoupError
from serving.access.keys import Key, KeyRing
from serving.http import limits
from serving.http.line import Line
from serving.http.problems import Problem
from serving.http.rates import Rates


class Clock:
    now = 1000.0

    def __call__(self):
        return self.now


def key(rate=None, name="a"):
    return Key(name, ("price",), "", "", rate)


def spent(rates, held):
    """Return 0 for a request that may be made, else the seconds to wait."""
    try:
        rates.spend(held)
    except Problem as problem:
        assert problem.details.status == 429
        return int(problem.headers["Retry-After"])
    return 0


@given(st.floats(0.05, 500), st.lists(st.floats(0, 3), min_size=1, max_size=200))
def test_in_no_stretch_of_time_a_key_makes_more_requests_than_its_rate_and_a_second_of_it(rate, pauses):
    clock = Clock()
    rates, made, held = Rates(0, clock), [], key(rate)
    for pause in pauses:
        clock.now += pause
        wait = spent(rates, held)
        if wait:
            clock.now += wait
            assert spent(rates, held) == 0, "who waits as long as told is answered"
        made.append(clock.now)
    for first in range(len(made)):
        for last in range(first, len(made)):
            assert last - first + 1 <= (made[last] - made[first]) * rate + max(rate, 1) + 1e-6


def test_each_key_has_a_bucket_and_perhaps_a_rate_of_its_own():
    rates = Rates(2, Clock())
    assert [bool(spent(rates, key())) for _ in range(4)] == [False, False, True, True]
    assert [bool(spent(rates, key(name="b"))) for _ in range(3)] == [False, False, True]
    assert [bool(spent(rates, key(5, "c"))) for _ in range(6)] == [False] * 5 + [True]
    assert not any(spent(rates, key(0, "d")) for _ in range(100))
    assert not any(spent(Rates(0, Clock()), key()) for _ in range(100))


def test_a_key_keeps_its_rate(home):
    ring = KeyRing(home)
    made, shown = ring.make(["price"], None, rate=7.5)
    assert made.rate == 7.5 and KeyRing(home).holder(shown.encode()).rate == 7.5
    for wrong in (-1, float("nan"), float("inf")):
        with pytest.raises(RecoupError, match="requests a second"):
            ring.make(["price"], None, rate=wrong)


def asked_at_once(line, ask, times):
    """Return the statuses of so many questions that come at the same moment."""

    async def one():
        try:
            return await line.wait(ask, 200)
        except Problem as problem:
            assert problem.headers["Retry-After"].isdecimal()
            return problem.details.status

    async def all_of_them():
        return await asyncio.gather(*[one() for _ in range(times)])

    return asyncio.run(all_of_them())


def none_passes_by(how, questions):
    raise AssertionError("all of them wait")


async def computed(status):
    return status


async def waited(status):
    await asyncio.sleep(0.001)
    return status


async def stuck(_):
    await asyncio.Event().wait()


@pytest.mark.parametrize("ask", [computed, waited])
def test_more_than_may_wait_are_refused_and_the_line_empties(ask):
    line = Line(3, 60, none_passes_by)
    for _ in range(3):
        assert sorted(asked_at_once(line, ask, 7)) == [200] * 3 + [503] * 4
    assert asked_at_once(line, ask, 3) == [200] * 3


def test_an_answer_that_does_not_come_is_given_up_and_its_place_is_free():
    line = Line(2, 0.01, none_passes_by)
    assert asked_at_once(line, stuck, 2) == [503, 503]
    assert asked_at_once(line, computed, 2) == [200, 200]


def passing_by(line, questions):
    """Return what came of questions that come at the same moment, each with how: the answer or the error's text."""

    async def all_of_them():
        return await asyncio.gather(*[line.pass_by(*question) for question in questions], return_exceptions=True)

    return [str(found) if isinstance(found, Exception) else found for found in asyncio.run(all_of_them())]


@given(st.lists(st.tuples(st.sampled_from(["price", "chance"]), st.integers(-9, 9)), min_size=1, max_size=150))
def test_who_come_together_are_answered_by_half_lines_and_each_bears_his_own_error(questions):
    turns = []

    def answer(how, numbers):
        turns.append((how, len(numbers)))
        return [f"{how} {number}" if number >= 0 else RecoupError(f"not {number}") for number in numbers]

    found = passing_by(Line(150, 60, answer), questions)
    assert found == [f"{how} {number}" if number >= 0 else f"not {number}" for how, number in questions]
    expected = [questions[start : start + 75] for start in range(0, len(questions), 75)]
    assert sorted(turns) == sorted(item for turn in expected for item in Counter(how for how, _ in turn).items())


def test_newcomers_are_let_in_while_others_are_answered():
    """Were only one let in a turn, as the loop would, fifty newcomers would wait for fifty turns."""
    turns = []

    def answer(how, numbers):
        turns.append(len(numbers))
        time.sleep(0.001)
        return numbers

    async def regulars(line, came):
        while len(came) < 50:
            await line.pass_by("price", 200)

    async def all_of_them():
        line, came = Line(32, 60, answer), []
        server = await asyncio.get_running_loop().create_server(lambda: Newcomer(came), "127.0.0.1", 0, backlog=64)
        with contextlib.ExitStack() as callers:
            address = server.sockets[0].getsockname()
            for _ in range(50):
                callers.enter_context(socket.create_connection(address))
            turns.clear()
            await asyncio.gather(*[regulars(line, came) for _ in range(16)])
        server.close()

    uvloop.run(all_of_them())
    assert len(turns) <= 10 and sum(turns) == 16 * len(turns)


class Newcomer(asyncio.Protocol):
    def __init__(self, came):
        self.came = came

    def connection_made(self, transport):
        self.came.append(transport)


def test_what_befalls_a_whole_turn_is_borne_by_the_one_at_fault():
    def answer(how, numbers):
        if 13 in numbers:
            raise RecoupError("a row is damaged")
        return numbers

    line = Line(5, 60, answer)
    for _ in range(2):
        assert passing_by(line, [("price", number) for number in (1, 13, 2)]) == [1, "a row is damaged", 2]


def test_who_come_while_turns_are_away_make_the_next_ones():
    back, turns = threading.Event(), []

    def answer(how, numbers):
        turns.append(len(numbers))
        back.wait(60)
        return [number if number >= 0 else RecoupError("not that") for number in numbers]

    async def asked():
        line, first = Line(100, 60, answer), []
        for number in range(2):
            first.append(asyncio.create_task(line.cross("price", number)))
            while len(turns) == number:
                await asyncio.sleep(0.001)
        later = [asyncio.create_task(line.cross("price", number)) for number in (*range(2, 69), -1)]
        await asyncio.sleep(0.01)
        assert turns == [1, 1]
        back.set()
        return await asyncio.gather(*first, *later, return_exceptions=True)

    *found, refused = asyncio.run(asked())
    assert found == list(range(69)) and str(refused) == "not that"
    assert turns[:2] == [1, 1] and sorted(turns[2:]) == [18, 50]


def test_a_turn_that_does_not_come_back_is_given_up_and_another_is_answered():
    back = threading.Event()

    def answer(how, numbers):
        assert back.wait(60)
        return numbers

    line = Line(2, 0.01, answer)

    async def asked(times):
        return await asyncio.gather(*[line.cross("price", 200) for _ in range(times)], return_exceptions=True)

    async def all_of_them():
        late = await asked(2)
        back.set()
        while (found := await asked(2)) != [200, 200]:
            await asyncio.sleep(0.001)
        return late, found

    late, found = asyncio.run(all_of_them())
    assert [problem.details.status for problem in late] == [503, 503] and found == [200, 200]


@pytest.mark.parametrize("variable", ["RECOUP_MAX_WAITING", "RECOUP_ANSWER_SECONDS", "RECOUP_KEY_RATE"])
@pytest.mark.parametrize("value", ["-1", "many", "nan", ""])
def test_limits_that_make_no_sense_are_refused(monkeypatch, variable, value):
    monkeypatch.setenv(variable, value)
    with pytest.raises(RecoupError, match=variable):
        limits.from_environment()
