"""A simulated world of charged-off personal loans whose hidden truth is written down.

``simulate`` writes three things. ``feeds/`` holds what a servicer sees: the six feeds of
``features.feeds``, as known by ``until``. ``tape.csv`` (with ``tape_borrowers.csv``) is a tape on
offer with its cut-off at ``until``. ``truth/`` holds what nobody sees and no model may read: why
the feeds came out as they did, and the cash that is still to come.

How it works, from cause to effect:

* Borrowers (``traits``) have an ability and a willingness to pay, a habit of answering, a day of
  their own (worker, night shift, retired, student, at home) and numbers that may be dead. The
  columns of ``loans`` and ``borrowers`` are noisy signs of these.
* Regions have economies (``market``): autoregressive around a constant, published with a lag. Four
  points of unemployment halve every cash rate, and a downturn is just that.
* Loans enter in 60 monthly cut-offs. Without a downturn the draw of a loan, its borrower and its
  attempts does not depend on the calendar, so that a monitor has nothing to find. Two things do:
  ages are drawn and not birth years, and ``agency_6`` gets its first cases six months before
  ``until``.
* The book was worked by a logging policy (``policy``): the number of attempts, the channel and the
  hour depend on the case and on chance alone, never on what nobody saw. ``propensity`` is the
  chance of the channel, given an attempt. Agencies are not given cases at random: skilled ones get
  the easier, so that raw rates overstate their skill.
* The chance of the right party (``reach``) is the borrower's level for the channel, times the
  profile of his kind at the local hour, times whether the number lives.
* Cash (``effects``, ``payments``) comes as Poisson events, each of which takes a share of what is
  still owed: part payments that come by themselves, part payments that a conversation brings within
  30 days, settlements (which end the claim), and recoveries under enforcement (``litigation``). A
  conversation moves those of middling willingness most. Calls and visits move old debt more than
  young; machines move young debt, and drive off payments on old debt.
* Because events take shares, the expected curve of every loan is known in closed form
  (``expectation``), given its traits and the market's and the court's path, and averaged over the
  attempts. It is exact but for months being treated as equally long.

* Corporate loans with collateral, when asked for (``secured``), stand at the end of the tape alone.
  What their collateral brings is an auction's (``auctions``): court, rounds, bid, costs, by asset and
  region. The history to learn it from are auctions of other debts in the ``litigation`` feed; many
  have not ended by ``until``. What the debtor pays comes on top (``collateral``).

Questions to the truth: ``load_truth``, ``contact_chance``, ``attempt_effect``,
``expected_recovery``; of attempts and plans: ``worth`` and ``run`` (``trial``). ``Change`` has another
policy work the same book. All numbers stand in ``parameters``. Each part draws from its own random
stream (``streams``), so that a new part leaves the others as they are; a world with a downturn has
the same past as the one without, to the cent, and then fewer of the same payments.
"""

from features.world.policy import Change
from features.world.simulation import simulate, simulate_tape
from features.world.trial import run, worth
from features.world.truth import (
    Truth,
    attempt_effect,
    contact_chance,
    expected_recovery,
    load_truth,
)
from features.world.writer import WorldFiles

__all__ = [
    "Change",
    "Truth",
    "WorldFiles",
    "attempt_effect",
    "contact_chance",
    "expected_recovery",
    "load_truth",
    "run",
    "simulate",
    "simulate_tape",
    "worth",
]
