"""The assignment: each person takes at most one of his offers, and what offers use up is limited.

Offers are many, limits are few. So prices of the limits come first: they minimise the Lagrangian dual, made
smooth by a temperature that falls (Nesterov 2005, doi:10.1007/s10107-004-0552-5), and the dual's value at any
prices bounds every lawful plan from above, whole or fractional. Offers that are near each person's best at
those prices then make a minimum-cost flow, which OR-Tools solves exactly in whole numbers. The distance of its
value to the bound is reported, and wide enough a choice of offers makes it small.
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.optimize import minimize

_SAMPLE = 20_000
"""People on whom the first prices are found."""
_WARM, _COLD = 0.1, (0.02, 0.004, 0.001)
"""Temperatures, of the mean of people's best values: for the sample's prices, and for everybody's."""
_ITERATIONS = 80
_NEAR = 10.0
"""Offers within so many temperatures of a person's best count at the next, lower one."""
_WIDE = (10.0, 50.0, 250.0)
"""Offers within so many temperatures of a person's best enter the flow."""
_ROUNDS = 8
"""How often prices may move as far as they may."""
_GAP = 0.002
"""Distance to the bound at which the flow need not be wider."""
_DEAR = 10.0
"""Cost of one person missing to a minimum, over the largest value."""
_STEPS = 10_000_000
"""Steps of money, over the largest value, in which the flow counts."""


@dataclass(frozen=True)
class Options:
    """What an offer may use: n options, each in one of m groups.

    Attributes
    ----------
    least, most : ndarray of int, shape (n,)
        People that each option needs and takes.
    group : ndarray of int, shape (n,)
    group_least, group_most : ndarray of int, shape (m,)
        People that all options of a group need and take together.
    share_least, share_most : ndarray, shape (n,)
        Of the people in its group, the part that goes to the option; 0 and 1 where that is free.
    """

    least: np.ndarray
    most: np.ndarray
    group: np.ndarray
    group_least: np.ndarray
    group_most: np.ndarray
    share_least: np.ndarray
    share_most: np.ndarray


@dataclass(frozen=True)
class Offers:
    """Offers in the order of people.

    Attributes
    ----------
    start : ndarray of int, shape (people + 1,)
        Where each person's offers begin.
    option : ndarray of int, shape (offers,)
    value : ndarray, shape (offers,)
        Money.
    """

    start: np.ndarray
    option: np.ndarray
    value: np.ndarray

    def where(self, kept: np.ndarray) -> "Offers":
        """Return the offers that ``kept`` marks, of as many people."""
        before = np.concatenate([[0], np.cumsum(kept)])
        return Offers(before[self.start], self.option[kept], self.value[kept])

    def people(self) -> np.ndarray:
        """Return each offer's person."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))

    def best(self, worth: np.ndarray) -> np.ndarray:
        """Return the largest of each person's worths, or zero for staying at home."""
        best, some = np.zeros(len(self.start) - 1), np.flatnonzero(np.diff(self.start))
        if len(some):
            best[some] = np.maximum(np.maximum.reduceat(worth, self.start[some]), 0.0)
        return best


@dataclass(frozen=True)
class Assignment:
    """What was found.

    Attributes
    ----------
    chosen : ndarray of bool, shape (offers,)
    value : float
        Sum of the values chosen (money).
    bound : float
        No plan is worth more (money); where a minimum is out of reach, each person short costs ``penalty``.
    price, group_price : ndarray, shapes (n,), (m,)
        What one more person in an option, or in a group, would add (money).
    duty : ndarray, shape (n,)
        What one person less in an option's minimum would add.
    short : ndarray of int, shape (n,)
        People missing to each option's minimum.
    """

    chosen: np.ndarray
    value: float
    bound: float
    price: np.ndarray
    group_price: np.ndarray
    duty: np.ndarray
    short: np.ndarray

    @property
    def gap(self) -> float:
        """Distance to the bound, as a share of it."""
        return max(0.0, 1 - self.value / self.bound) if self.bound > 0 else 0.0


def solve(offers: Offers, options: Options) -> Assignment:
    """Choose at most one offer a person so that the values chosen sum up to most.

    Parameters
    ----------
    offers : Offers
    options : Options
        A minimum that cannot be met is met as far as it can be; `Assignment.short` tells.
    """
    dear = _DEAR * float(np.abs(offers.value).max(initial=1.0))
    rows = _rows(options, dear)
    scale = float(offers.best(offers.value).mean()) or 1.0
    prices, bound = _prices(offers, rows, scale)
    cold, found = _COLD[-1] * scale, None
    worth = _worth(offers, rows, prices)
    agreed = _agreed(options, _soft(offers, worth, cold, len(options.most))[1])
    for wide in _WIDE:
        near = _near(offers, worth, wide * cold)
        chosen = np.zeros(len(near), bool)
        chosen[near] = _flow(offers.where(near), agreed, dear)
        short = np.maximum(options.least - np.bincount(offers.option[chosen], minlength=len(options.most)), 0)
        missing = dear * float(short.sum())
        price, group_price, duty = _of_limits(options, prices)
        value = float(offers.value[chosen].sum())
        if found is None or found.gap > 1 - value / (bound + missing):
            found = Assignment(chosen, value, bound + missing, price, group_price, duty, short)
        if found.gap < _GAP:
            break
    assert found is not None
    return found


@dataclass(frozen=True)
class _Rows:
    """Limits: ``use @ people in options <= most``; the multiplier of each lies in [0, highest]."""

    use: np.ndarray  # limits x options
    most: np.ndarray
    highest: np.ndarray


def _rows(options: Options, dear: float) -> _Rows:
    """Return the limits: of each option, of each group, then minimums and shares, which can be bought off."""
    own = np.eye(len(options.most))
    member = (options.group == np.arange(len(options.group_most))[:, None]).astype(float)
    shares = [bound[:, None] * member[options.group] - own for bound in (options.share_least, options.share_most)]
    least, fair = np.flatnonzero(options.least > 0), np.flatnonzero(options.share_least > 0)
    unfair = np.flatnonzero(options.share_most < 1)
    parts = [
        (own, options.most, np.inf),
        (member, options.group_most, np.inf),
        (-own[least], -options.least[least], dear),
        (shares[0][fair], np.zeros(len(fair)), dear),
        (-shares[1][unfair], np.zeros(len(unfair)), dear),
    ]
    highest = np.concatenate([np.full(len(most), top) for _, most, top in parts])
    return _Rows(np.concatenate([use for use, _, _ in parts]), np.concatenate([most for _, most, _ in parts]), highest)


def _of_limits(options: Options, prices: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the multipliers of options, groups and minimums."""
    price, group_price, rest = np.split(prices, np.cumsum([len(options.most), len(options.group_most)]))
    duty = np.zeros(len(price))
    needed = options.least > 0
    duty[needed] = rest[: needed.sum()]
    return price, group_price, duty


def _prices(offers: Offers, rows: _Rows, scale: float) -> tuple[np.ndarray, float]:
    """Return multipliers of the limits, and the dual's value at them."""
    every = max(1, (len(offers.start) - 1) // _SAMPLE)
    sample = offers.where(offers.people() % every == 0)
    nothing = np.zeros(len(rows.most))
    prices = _descended(sample, rows, rows.most / every, _WARM * scale, nothing, nothing + np.inf)
    warm = _WARM * scale
    for part in _COLD:
        for _ in range(_ROUNDS):
            reach = _NEAR / 2 * warm  # no further than offers left out stay out
            near = offers.where(_near(offers, _worth(offers, rows, prices), 2 * reach))
            before, prices = prices, _descended(near, rows, rows.most, part * scale, prices, nothing + reach)
            if np.abs(prices - before).max() < 0.999 * reach:
                break
        warm = part * scale
    return prices, float(rows.most @ prices + offers.best(_worth(offers, rows, prices)).sum())


def _descended(offers: Offers, rows: _Rows, most: np.ndarray, temperature: float, prices: np.ndarray,
               reach: np.ndarray) -> np.ndarray:  # fmt: skip
    """Minimise the smooth dual within reach of some prices."""

    unit = temperature / np.sqrt(np.maximum(np.abs(rows.use) @ most[: rows.use.shape[1]], 1.0))

    def dual(scaled: np.ndarray) -> tuple[float, np.ndarray]:
        at = scaled * unit
        total, used = _soft(offers, _worth(offers, rows, at), temperature, rows.use.shape[1])
        return (total + most @ at) / temperature, (most - rows.use @ used) * unit / temperature

    low, high = np.maximum(prices - reach, 0.0), np.minimum(prices + reach, rows.highest)
    box = np.column_stack([low, high]) / unit[:, None]
    until = {"maxiter": _ITERATIONS, "ftol": 1e-8}
    found = minimize(dual, prices / unit, jac=True, method="L-BFGS-B", bounds=box, options=until)
    return np.asarray(found.x) * unit


def _worth(offers: Offers, rows: _Rows, prices: np.ndarray) -> np.ndarray:
    return offers.value - (prices @ rows.use)[offers.option]


def _near(offers: Offers, worth: np.ndarray, distance: float) -> np.ndarray:
    """Mark the offers within a distance of the best that the person can do, at home too."""
    return worth >= np.repeat(offers.best(worth) - distance, np.diff(offers.start))


def _soft(offers: Offers, worth: np.ndarray, temperature: float, options: int) -> tuple[float, np.ndarray]:
    """Return the smooth maximum of each person's worths, summed up, and how far each option is used."""
    best, some = offers.best(worth), np.flatnonzero(np.diff(offers.start))
    count = np.diff(offers.start)
    odds = np.exp((worth - np.repeat(best, count)) / temperature)
    whole = np.exp(-best / temperature)
    if len(some):
        whole[some] += np.add.reduceat(odds, offers.start[some])
    used = np.bincount(offers.option, odds / np.repeat(whole, count), options)
    return float((best + temperature * np.log(whole)).sum()), used


def _agreed(options: Options, used: np.ndarray) -> Options:
    """Return options whose shares are whole numbers of the people that their group is going to have.

    A flow knows no shares of a sum; what the prices send to the group fixes the sum first.
    """
    shared = (options.share_least > 0) | (options.share_most < 1)
    if not shared.any():
        return options
    groups = len(options.group_most)
    total = np.rint(np.bincount(options.group, used, groups))
    fixed = np.bincount(options.group, shared, groups) > 0
    mine = total[options.group]
    return replace(
        options,
        least=np.where(shared, np.maximum(options.least, np.floor(options.share_least * mine)), options.least),
        most=np.where(shared, np.minimum(options.most, np.ceil(options.share_most * mine)), options.most),
        group_least=np.where(fixed, total, 0),
        group_most=np.where(fixed, np.minimum(options.group_most, total), options.group_most),
    )


def _flow(offers: Offers, options: Options, dear: float) -> np.ndarray:
    """Solve the flow and mark the offers taken; nodes are people, options, groups and the end of the day."""
    from ortools.graph.python.min_cost_flow import SimpleMinCostFlow

    asked, person = np.unique(offers.people(), return_inverse=True)
    people, group_count = len(asked), len(options.group_most)
    first_option, first_group = people, people + len(options.most)
    end = first_group + group_count
    unit = _STEPS * _DEAR / dear
    each, option, group = np.arange(people), np.arange(len(options.most)), np.arange(group_count)
    solver = SimpleMinCostFlow()

    def add(tail: np.ndarray, head: np.ndarray, most: np.ndarray, gain: np.ndarray) -> np.ndarray:
        capacity, cost = most.astype(np.int64), -np.rint(gain * unit).astype(np.int64)
        return np.asarray(solver.add_arcs_with_capacity_and_unit_cost(tail, head, capacity, cost))

    tried = add(person, first_option + offers.option, np.ones(len(person)), offers.value)
    add(each, np.full(people, end), np.ones(people), np.zeros(people))
    for tail, head, least, most in (
        (first_option + option, first_group + options.group, options.least, options.most),
        (first_group + group, np.full(group_count, end), options.group_least, options.group_most),
    ):
        needed = np.minimum(least, most)
        add(tail, head, needed, np.full(len(tail), dear))
        add(tail, head, most - needed, np.zeros(len(tail)))
    solver.set_nodes_supplies(each, np.ones(people, np.int64))
    solver.set_node_supply(end, -people)
    status = solver.solve()
    if status != solver.OPTIMAL:
        raise RuntimeError(f"the flow has no optimum: {status.name}")
    return np.asarray(solver.flows(tried)).astype(bool)
