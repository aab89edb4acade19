"""Draws a whole world, part by part, and has it written."""

from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import polars as pl

from features.progress import Progress
from features.world import (
    attempts_feed,
    auctions,
    borrowers,
    collateral,
    contacts,
    effects,
    expectation,
    litigation,
    market,
    payments,
    policy,
    traits,
    truth,
    writer,
)
from features.world import loans as lending
from features.world import parameters as p
from features.world.borrowers import Standing
from features.world.clock import Clock
from features.world.loans import Debts
from features.world.market import Market
from features.world.policy import Change
from features.world.streams import Part, Side, Streams
from features.world.traits import Traits

UNTIL = date(2025, 12, 31)


def simulate(
    loans: int,
    seed: int,
    out: Path,
    *,
    downturn: str | None = None,
    lead: int = p.DOWNTURN_LEAD,
    until: date = UNTIL,
    secured: int = 0,
    change: Change | None = None,
    progress: Progress | None = None,
) -> writer.WorldFiles:
    """Simulate a world and write it to ``out``: feeds, a tape on offer, and the hidden truth.

    Parameters
    ----------
    loans : loans in the book; the tape has a tenth of that on top.
    seed : the same seed and arguments give the same bytes.
    out : folder to create; nothing stands there until all of it does.
    downturn : a region's code, or "all": unemployment rises by four points from ``lead`` months
        before ``until``. None: nothing changes over time.
    lead : months, 1 to 60.
    until : last day of the book, cut-off of the tape.
    secured : corporate loans with collateral at the end of the tape; with any, the ``litigation`` feed
        has a history of judicial auctions. Nothing else changes.
    change : another policy for the attempts on the book from a day on, with the same moments and the
        same luck. The truth's expected shares stay those of the logging policy.
    progress : called with the name of each part as it starts.

    Raises
    ------
    ValueError
        If ``out`` holds anything already, or an argument makes no sense.
    """
    if loans < 1:
        raise ValueError(f"loans must be at least 1, got {loans}")
    if downturn not in (None, market.EVERYWHERE, *p.REGION_CODES):
        known = ", ".join((market.EVERYWHERE, *p.REGION_CODES))
        raise ValueError(f"downturn must be one of {known}; got {downturn!r}")
    if not 1 <= lead <= p.COHORTS:
        raise ValueError(f"lead must be 1 to {p.COHORTS} months, got {lead}")
    if secured < 0:
        raise ValueError(f"secured must be at least 0, got {secured}")
    writer.check_free(out)
    world = draw(loans, seed, downturn, until, progress or (lambda part: None), secured, change, lead)
    if progress:
        progress("files")
    return writer.write(world, out)


def simulate_tape(loans: int, seed: int, *, until: date = UNTIL) -> pl.DataFrame:
    """Draw a tape on offer alone: the ``loans`` feed with every cut-off at ``until``.

    Parameters
    ----------
    loans : number of rows.
    seed : seed of the draw.
    until : cut-off of every loan.
    """
    cohort = np.full(loans, p.COHORTS)
    streams = Streams(seed, Side.TAPE)
    return _lend(cohort, Clock(until), streams, first=1, first_borrower=1)[2]


def draw(
    loans: int,
    seed: int,
    downturn: str | None,
    until: date,
    progress: Progress,
    secured: int = 0,
    change: Change | None = None,
    lead: int = p.DOWNTURN_LEAD,
) -> writer.World:
    """Draw a book of ``loans`` loans with its history up to ``until``, and a tape on offer."""
    clock = Clock(until)
    world = Streams(seed, Side.WORLD)
    progress("market")
    economy = market.draw(downturn, world(Part.MARKET), lead)
    progress("book")
    cohort = np.arange(loans) * p.COHORTS // loans
    streams = Streams(seed, Side.BOOK)
    book = _people(cohort, clock, streams, first=1, first_borrower=1)
    feeds, hidden = _history(book, economy, clock, streams, change)
    progress("tape")
    offered = np.full(max(1, loans // 10), p.COHORTS)
    streams = Streams(seed, Side.TAPE)
    next_borrower = 1 + len(book.traits)
    tape = _people(offered, clock, streams, first=loans + 1, first_borrower=next_borrower)
    _, tape_hidden = _history(tape, economy, clock, streams)
    for name in ("borrowers", "loans", "curves", "payments"):
        hidden[name] = pl.concat([hidden[name], tape_hidden[name]])
    feeds["market"] = market.feed(economy, clock, world(Part.LAGS))
    hidden["market"] = market.hidden(economy)
    hidden["agencies"] = pl.DataFrame({"agency": p.AGENCIES, "skill": p.AGENCY_SKILL})
    drawn = writer.World(feeds, tape.loans, tape.borrowers, hidden)
    if secured:
        progress("collateral")
        first = {"first": 1 + loans + len(offered), "first_borrower": next_borrower + len(tape.traits)}
        drawn = _with_collateral(drawn, secured, economy, clock, seed, first)
    return drawn


def _with_collateral(
    world: writer.World, secured: int, economy: Market, clock: Clock, seed: int, first: dict[str, int]
) -> writer.World:
    """Add corporate loans to the tape, other debts' auctions to ``litigation``, and the truth of both."""
    streams = Streams(seed, Side.SECURED)
    companies = _people(np.full(secured, p.COHORTS), clock, streams, **first)
    _, paid = _history(companies, economy, clock, streams)
    rng = streams(Part.AUCTIONS)
    levels = auctions.price_levels(rng)
    known, cases = auctions.history(levels, clock, rng)
    rng = streams(Part.COLLATERAL)
    loans = collateral.secure(companies.loans, rng)
    hidden = {
        "auctions": cases,
        "secured": collateral.outcome(loans, paid["loans"], levels, rng),
        "auction_places": collateral.places(levels, rng),
    }
    court = pl.concat([world.feeds["litigation"], known], how="diagonal")
    return writer.World(
        feeds=world.feeds | {"litigation": court},
        tape=pl.concat([world.tape, loans]),
        tape_borrowers=pl.concat([world.tape_borrowers, companies.borrowers]),
        truth=world.truth | hidden,
    )


@dataclass(frozen=True)
class _People:
    """One side's borrowers and loans, before anything happens to them."""

    traits: Traits
    standing: Standing
    debts: Debts
    loans: pl.DataFrame
    borrowers: pl.DataFrame


def _lend(
    cohort: np.ndarray, clock: Clock, streams: Streams, *, first: int, first_borrower: int
) -> tuple[Traits, Debts, pl.DataFrame]:
    who = traits.draw(lending.borrower_count(len(cohort)), streams(Part.TRAITS))
    debts, frame = lending.draw(who, cohort, clock, streams(Part.LOANS), first=first, first_borrower=first_borrower)
    known = lending.known(cohort, clock, streams(Part.LAGS))
    return who, debts, frame.with_columns(known)


def _people(cohort: np.ndarray, clock: Clock, streams: Streams, *, first: int, first_borrower: int) -> _People:
    who, debts, frame = _lend(cohort, clock, streams, first=first, first_borrower=first_borrower)
    first_cutoff = np.full(len(who), p.COHORTS)
    np.minimum.at(first_cutoff, debts.borrower, cohort)
    standing = borrowers.draw_standing(first_cutoff, streams(Part.STANDING))
    rows = borrowers.feed(who, standing, first_cutoff, clock, streams(Part.PEOPLE), first_borrower=first_borrower)
    return _People(who, standing, debts, frame, rows)


def _history(
    people: _People, economy: Market, clock: Clock, streams: Streams, change: Change | None = None
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    """What happened to the loans: the feeds as known by ``until``, and the truth."""
    who, standing, debts = people.traits, people.standing, people.debts
    region = who.region[debts.borrower]
    placement = policy.draw(who, standing, debts, streams(Part.PLACEMENT))
    drives = effects.drive(who, debts, placement.skill)
    cases = litigation.draw(who, debts, streams(Part.LITIGATION))
    tried = contacts.draw(who, standing, debts, placement, clock, streams(Part.ATTEMPTS), change)
    attempts = contacts.converse(who, debts, drives, economy, tried, streams(Part.CONVERSATIONS))
    cash, settled = payments.draw(debts, region, drives, economy, cases, attempts, clock, streams(Part.PAYMENTS))
    paid, every = payments.feed(cash, debts, clock)
    first_rows = people.borrowers.unique("borrower_id", keep="first", maintain_order=True)
    log, log_hidden = attempts_feed.feed(
        attempts, who, debts, placement, drives, first_rows, settled, clock,
        streams(Part.CONTACT_LAGS),
    )  # fmt: skip
    court = litigation.feed(
        cases, debts, region, settled, cash.by_enforcement(len(debts)), clock,
        streams(Part.COURT_LAGS),
    )  # fmt: skip
    expected = expectation.expected_shares(who, standing, debts, placement, drives, economy, cases)
    realised = cash.by_month(debts, clock)
    hidden = truth.tables(who, people.loans, debts, placement, drives, expected, realised)
    feeds = {
        "loans": people.loans,
        "borrowers": people.borrowers,
        "payments": paid,
        "contacts": log,
        "litigation": court,
    }
    return feeds, {**hidden, "attempts": log_hidden, "payments": every}
