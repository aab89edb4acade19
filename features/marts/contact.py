"""``contact``: attempts to reach the debtor so far, and what came of them."""

import polars as pl

from features.feeds.contacts import CHANNELS, POINT_KINDS
from features.marts import timeline
from features.marts.columns import MISSING, Feature

ENTITY = "borrower_id"
FEEDS = ("contacts",)
JUST_BEFORE = pl.duration(seconds=1)
USUAL = {"call": 26, "auto_call": 22, "sms": 9, "email": 5, "letter": 5, "visit": 33}
"""Attempts in a hundred that reach the debtor, round figures: they make attempts by unlike channels comparable."""

_COUNTS = [
    Feature("attempts", "number", "attempts so far"),
    Feature("right_parties", "number", "attempts that reached the debtor"),
    Feature("promises", "number", "promises to pay so far"),
    Feature("wrong_parties", "number", "attempts that reached somebody else"),
    *[Feature(f"attempts_{channel}", "number", f"attempts by {channel}") for channel in CHANNELS],
    *[Feature(f"right_parties_{channel}", "number", f"reached by {channel}") for channel in CHANNELS],
    *[Feature(f"attempts_at_{kind}", "number", f"attempts at a contact point: {kind}") for kind in POINT_KINDS],
    *[Feature(f"right_parties_at_{kind}", "number", f"reached at a contact point: {kind}") for kind in POINT_KINDS],
    *[Feature(f"bounced_at_{kind}", "number", f"messages bounced at a contact point: {kind}") for kind in POINT_KINDS],
    *[Feature(f"delivered_at_{kind}", "number", f"messages delivered, unanswered: {kind}") for kind in POINT_KINDS],
    *[
        Feature(f"usual_at_{kind}", "number", f"right parties that such attempts usually make: {kind}", "percent")
        for kind in POINT_KINDS
    ],
]
_LAST = [
    Feature("last_attempt_at", "number", "last attempt", "seconds since 1970, UTC"),
    Feature("last_right_party_at", "number", "last time reached", "seconds since 1970, UTC"),
    Feature("last_channel", "category", "channel of the last attempt"),
    Feature("last_outcome", "category", "outcome of the last attempt"),
]
_STATED = [
    Feature("prior_attempts", "number", "attempts before this one, as the source counts them"),
    Feature("prior_campaign_attempts", "number", "attempts in earlier campaigns, as the source counts them"),
    Feature("prior_outcome", "category", "outcome of the earlier campaign, as the source states it"),
    Feature("days_since_prior", "number", "time since the contact before, as the source states it", "days"),
]  # fmt: skip
FEATURES = [*_COUNTS, *_LAST, *_STATED]


def build(feeds: dict[str, pl.LazyFrame]) -> pl.DataFrame:
    """Return the mart from the ``contacts`` feed.

    An attempt changes what is known once its outcome is. A source's own summary of what went
    before an attempt was known a second before it.
    """
    rows = timeline.known(feeds["contacts"], "contacts")
    stated = [feature.name for feature in _STATED]
    before = rows.filter(pl.any_horizontal(pl.col(stated).is_not_null())).select(
        ENTITY,
        (pl.col("attempted_at") - JUST_BEFORE).alias(timeline.KNOWN),
        (pl.col("attempted_at") - JUST_BEFORE).alias(timeline.LEARNT),
        *stated,
    )
    changes = pl.concat([_totals(rows), before], how="diagonal_relaxed")
    return timeline.state(changes, ENTITY, [feature.name for feature in FEATURES])


def _totals(rows: pl.LazyFrame) -> pl.LazyFrame:
    ordered = rows.sort(ENTITY, timeline.KNOWN, "attempted_at", "attempt_id")
    reached, outcome = pl.col("right_party"), pl.col("outcome")
    usual = pl.col("channel").replace_strict(USUAL)
    points = {kind: pl.col("point_kind").fill_null("unknown") == kind for kind in POINT_KINDS}
    counted = {
        "attempts": pl.lit(True),
        "right_parties": reached,
        "promises": outcome == "promise",
        "wrong_parties": outcome == "wrong_party",
        **{f"attempts_{name}": pl.col("channel") == name for name in CHANNELS},
        **{f"right_parties_{name}": reached & (pl.col("channel") == name) for name in CHANNELS},
        **{f"attempts_at_{kind}": there for kind, there in points.items()},
        **{f"right_parties_at_{kind}": reached & there for kind, there in points.items()},
        **{f"bounced_at_{kind}": (outcome == "bounced") & there for kind, there in points.items()},
        **{f"delivered_at_{kind}": (outcome == "delivered") & there for kind, there in points.items()},
        **{f"usual_at_{kind}": pl.when(there).then(usual).otherwise(0) for kind, there in points.items()},
    }
    marks = [mark.fill_null(False).cast(pl.Float64).alias(name) for name, mark in counted.items()]
    # an attempt that is learnt after a later one counts, but it is not the last
    last = timeline.latest("attempted_at", ENTITY)
    when = timeline.epoch_seconds("attempted_at")
    return ordered.with_columns(marks).select(
        ENTITY, timeline.KNOWN, timeline.LEARNT,
        pl.col(list(counted)).cum_sum().over(ENTITY),
        pl.when(last).then(when).alias("last_attempt_at"),
        pl.when(reached).then(when).cum_max().over(ENTITY).alias("last_right_party_at"),
        pl.when(last).then("channel").alias("last_channel"),
        pl.when(last).then(outcome.fill_null(MISSING)).alias("last_outcome"),
    )  # fmt: skip
