"""Loops over a day's offers that NumPy has no words for, or too many passes: compiled, and kept compiled."""

import numpy as np
from numba import njit

_NONE = -40.0
"""A logarithm of odds below which they are lost in the rounding of a sum."""


@njit(cache=True)
def greedy(queue: np.ndarray, person: np.ndarray, key: np.ndarray, region: np.ndarray, begin: np.ndarray,
           works: np.ndarray, pool: np.ndarray, free: np.ndarray, left: np.ndarray, seen: np.ndarray,
           taken: np.ndarray) -> int:  # fmt: skip
    """Take offers in the order of a queue while there is room, one a person.

    Parameters
    ----------
    queue : ndarray of int, shape (offers,)
        Offers, the first to be taken first.
    person, key, region : ndarray of int, shape (offers,)
        Whose each is, which channel and hour it is for, and where.
    begin : ndarray of int, shape (keys + 1,)
        Where the places begin that serve each channel and hour.
    works : ndarray of bool, shape (places, regions)
        Where each place works.
    pool : ndarray of int, shape (places,)
    free, left : ndarray of int, shapes (places,), (pools,)
        Room of each place, and of each pool in the day; it is used up.
    seen : ndarray of bool, shape (people,)
        Who was served; it is marked.
    taken : ndarray of int, shape (offers, 2)
        Filled with offers and their places.

    Returns
    -------
    int
        How many were taken.
    """
    count, room = 0, left.sum()
    for offer in queue:
        if room == 0:
            break
        if seen[person[offer]]:
            continue
        for place in range(begin[key[offer]], begin[key[offer] + 1]):
            if free[place] > 0 and left[pool[place]] > 0 and works[place, region[offer]]:
                free[place] -= 1
                left[pool[place]] -= 1
                room -= 1
                seen[person[offer]] = True
                taken[count, 0], taken[count, 1] = offer, place
                count += 1
                break
    return count


@njit(cache=True, nogil=True)
def soft(start: np.ndarray, option: np.ndarray, value: np.ndarray, price: np.ndarray, temperature: float,
         used: np.ndarray) -> float:  # fmt: skip
    """Return the smooth maximum of each person's worths, summed up; adds how far each option is used.

    Parameters
    ----------
    start, option, value : ndarray
        See `serving.dispatch.assignment.Offers`.
    price : ndarray, shape (options,)
        What a place in an option costs.
    temperature : float
        Money.
    used : ndarray, shape (options,)
        Is added to.
    """
    total = 0.0
    for person in range(len(start) - 1):
        best = 0.0
        for offer in range(start[person], start[person + 1]):
            best = max(best, value[offer] - price[option[offer]])
        whole = np.exp(-best / temperature)
        for offer in range(start[person], start[person + 1]):
            whole += np.exp((value[offer] - price[option[offer]] - best) / temperature)
        for offer in range(start[person], start[person + 1]):
            used[option[offer]] += np.exp((value[offer] - price[option[offer]] - best) / temperature) / whole
        total += best + temperature * np.log(whole)
    return total
