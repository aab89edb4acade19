"""Nothing learnt after a moment can change a training row of that moment."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import polars as pl
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st

from features.feeds import FEEDS
from tests.features import small_world
from tests.features.small_world import digest, loan, take_in

ISO = "%Y-%m-%dT%H:%M:%SZ"
OPERATIONS = ("keep", "drop", "scramble", "invent")
SERVICES = ("recovery_v1", "contact_v3")
# feed: numbers to change, texts to hand on from row to row, when it happened
_FIELDS = {
    "loans": (
        ["balance", "annual_income", "last_payment_amount"],
        ["borrower_id", "region", "purpose"],
        None,
    ),
    "borrowers": ([], ["phone", "email", "occupation", "time_zone", "region"], "changed_at"),
    "payments": (["amount"], ["loan_id", "source"], "paid_at"),
    "contacts": (["cost"], ["borrower_id", "channel", "outcome", "right_party"], "attempted_at"),
    "litigation": (["claimed_amount", "awarded_amount"], ["region"], "happened_at"),
    "market": (["unemployment_rate", "house_price_index", "court_months"], [], None),
}
_NEW_KEY = {
    "payments": pl.col("payment_id") + "-new",
    "contacts": pl.col("attempt_id") + "-new",
    "litigation": pl.col("case_id") + "-new",
    "market": pl.col("published_on").str.replace(r"\d\d$", "11"),
    "borrowers": pl.col("changed_at").str.replace(r"\d\dZ$", "59Z"),
}


class Past(NamedTuple):
    files: list[tuple[str, pl.DataFrame]]
    rows: pl.DataFrame
    frames: dict[str, pl.DataFrame]


@pytest.fixture(scope="module")
def past(tmp_path_factory, token_key) -> Past:
    """Return a world in which every other loan is learnt late, and every third comes in a newer tape."""
    world = small_world.world_as_text(tmp_path_factory.mktemp("past") / "world", loans=60, seed=11)
    late = pl.col("known_at").str.replace(r"^[-\d]{10}", "2023-03-15")
    numbered = world["loans"].with_row_index("n")
    first = numbered.with_columns(known_at=pl.when(pl.col("n") % 2 == 0).then(late).otherwise("known_at"))
    newer = numbered.filter(pl.col("n") % 3 == 0).with_columns(
        known_at=late.str.replace("2023", "2024"), balance=(pl.col("balance").cast(float) / 2).cast(str)
    )
    files = [("loans", first.drop("n")), ("loans", newer.drop("n"))]
    files += [(feed, frame) for feed, frame in world.items() if feed != "loans"]
    door = take_in(tmp_path_factory.mktemp("past") / "home", files)
    debtors = door.lake.scan("loans").select("loan_id", "borrower_id").unique("loan_id").sort("loan_id")
    steps = [datetime(2021, 2, 1, 7, 30, tzinfo=UTC) + timedelta(days=61 * n, hours=n) for n in range(29)]
    learnt = pl.concat([frame["known_at"] for _, frame in files]).unique().sort().gather_every(97)
    moments = sorted(steps + learnt.str.to_datetime(ISO, time_zone="UTC").to_list())
    rows = debtors.collect().join(
        pl.DataFrame({"moment": moments}, schema={"moment": pl.Datetime("us", "UTC")}), how="cross"
    )
    rows = rows.with_columns(
        horizon_months_asked=pl.lit(12.0), channel_asked=pl.lit("call"), point_kind_asked=pl.lit("mobile")
    )
    return Past(files, rows, {service: door.frame(service, rows) for service in SERVICES})


def other_future(
    files: list[tuple[str, pl.DataFrame]], moment: datetime, operations: dict[str, str]
) -> list[tuple[str, pl.DataFrame]]:
    """Return the same facts up to a moment, and others after it."""
    changed = []
    for feed, frame in files:
        late = pl.col("known_at") > moment.strftime(ISO)
        known, after = frame.filter(~late), frame.filter(late)
        if operations[feed] in ("scramble", "invent"):
            after = _scrambled(feed, after)
        if operations[feed] == "drop":
            after = after.clear()
        if operations[feed] == "invent" and feed in _NEW_KEY:
            after = pl.concat([after, _invented(feed, known, moment)])
        everything = pl.concat([known, after])
        changed += [(feed, everything)] if everything.height else []
    return changed


def _scrambled(feed: str, rows: pl.DataFrame) -> pl.DataFrame:
    numbers, texts, happened = _FIELDS[feed]
    rows = rows.with_columns(
        *[(pl.col(name).cast(float) * 0.37).cast(str) for name in numbers],
        *[pl.col(name).shift(1).fill_null(pl.col(name)) for name in texts],
    )
    if happened:
        days = pl.col(happened).str.to_datetime(ISO) - pl.duration(days=200)
        rows = rows.with_columns(days.dt.strftime(ISO).alias(happened))
    return rows


def _invented(feed: str, rows: pl.DataFrame, moment: datetime) -> pl.DataFrame:
    """Return facts about the same entities that happened when others did and were learnt a second later."""
    learnt = pl.lit((moment + timedelta(seconds=1)).strftime(ISO)).alias("known_at")
    rows = _scrambled(feed, rows).with_columns(learnt, _NEW_KEY[feed])
    return rows.unique(list(FEEDS[feed].KEY), keep="first", maintain_order=True)


@settings(
    max_examples=12,
    deadline=None,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    share=st.floats(0.1, 0.9),
    chosen=st.lists(st.sampled_from(OPERATIONS[1:]), min_size=len(FEEDS), max_size=len(FEEDS)),
)
@example(share=0.5, chosen=["drop"] * len(FEEDS))
@example(share=0.37, chosen=["drop"] * len(FEEDS))
@example(share=0.7, chosen=["invent"] * len(FEEDS))
def test_no_fact_learnt_later_changes_a_row(past, tmp_path_factory, share, chosen):
    moments = past.rows["moment"].unique().sort()
    moment = moments[int(share * len(moments))]
    files = other_future(past.files, moment, dict(zip(FEEDS, chosen, strict=True)))
    door = take_in(tmp_path_factory.mktemp("other") / "home", files)
    until = past.rows["moment"] <= moment
    for service in SERVICES:
        before = past.frames[service].filter(until)
        assert digest(door.frame(service, past.rows.filter(until))) == digest(before)


@pytest.mark.parametrize("operation", ["drop", "scramble", "invent"])
def test_facts_learnt_later_do_change_the_rows_after_them(past, tmp_path, operation):
    moment = past.rows["moment"].unique().sort()[12]
    files = other_future(past.files, moment, dict.fromkeys(FEEDS, operation))
    door = take_in(tmp_path / "home", files)
    after = past.rows["moment"] > moment
    for service in SERVICES:
        rows = past.rows.filter(after)
        assert digest(door.frame(service, rows)) != digest(past.frames[service].filter(after))


def question(*moments: datetime) -> pl.DataFrame:
    schema = {"moment": pl.Datetime("us", "UTC"), "loan_id": pl.String, "borrower_id": pl.String}
    rows = [(moment, "L1", None) for moment in moments]
    return pl.DataFrame(rows, schema, orient="row").with_columns(horizon_months_asked=pl.lit(12.0))


def payment(number: int, amount: float, day: str) -> dict[str, str]:
    return {
        "payment_id": f"P{number}", "loan_id": "L1", "paid_at": f"{day}T00:00:00Z", "amount": str(amount),
        "currency": "USD", "kind": "recovery", "known_at": f"{day}T12:00:00Z",
    }  # fmt: skip


def test_payment_on_a_loan_not_known_yet_counts_once_the_loan_is_known(tmp_path):
    loans = pl.DataFrame([loan(1, balance="1000", known_at="2022-06-01T00:00:00Z")])
    payments = pl.DataFrame([payment(1, 100, "2022-01-05"), payment(2, 50, "2022-07-05")])
    door = take_in(tmp_path / "home", [("loans", loans), ("payments", payments)])
    rows = question(*(datetime(2022, month, 2, tzinfo=UTC) for month in (2, 6, 8)))
    frame = door.frame("recovery_v1", rows)
    assert frame["collected_share"].to_list() == [None, 0.1, 0.15]
    assert frame["collections"].to_list() == [None, 1.0, 2.0]


def test_newer_tape_does_not_forget_what_was_collected(tmp_path):
    older = pl.DataFrame([loan(1, balance="1000")])
    newer = pl.DataFrame([loan(1, balance="900", cutoff_on="2022-05-31", known_at="2022-06-01T00:00:00Z")])
    payments = pl.DataFrame([payment(1, 100, "2022-01-05")])
    door = take_in(tmp_path / "home", [("loans", older), ("payments", payments), ("loans", newer)])
    frame = door.frame("recovery_v1", question(*(datetime(2022, month, 2, tzinfo=UTC) for month in (2, 7))))
    assert frame["balance"].to_list() == [1000.0, 900.0]
    assert frame["collected_share"].to_list() == [0.1, 0.1]


def test_fact_counts_from_the_second_it_is_learnt(tmp_path):
    learnt = datetime(2022, 1, 5, 12, tzinfo=UTC)
    files = [("loans", pl.DataFrame([loan(1)])), ("payments", pl.DataFrame([payment(1, 100, "2022-01-05")]))]
    door = take_in(tmp_path / "home", files)
    frame = door.frame("recovery_v1", question(learnt - timedelta(microseconds=1), learnt))
    assert frame["collections"].to_list() == [0.0, 1.0]
