"""Hour and calendar at the debtor's place are those of the place's own clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, available_timezones

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from features import moment

ZONES = sorted(zone for zone in available_timezones() if zone not in {"localtime", "Factory"})
LOCAL = ("local_hour", "local_weekday", "day_of_month", "month_of_year")


def at(moments: list[float], zones: list[str | None], **columns: list) -> dict[str, np.ndarray]:
    names = [name for part in moment.ATTEMPT_INPUTS.values() for name in part]
    unknown = {name: [float("nan")] * len(moments) for name in names}
    asked = {"moment": moments, "time_zone": zones, "channel_asked": ["call"] * len(moments)}
    return moment.at_attempt(unknown | asked | {"point_kind_asked": ["mobile"] * len(moments)} | columns)


@settings(max_examples=200, deadline=None)
@given(
    asked=st.lists(
        st.tuples(
            st.datetimes(datetime(2000, 1, 1), datetime(2037, 12, 31), timezones=st.just(UTC)),
            st.sampled_from(ZONES),
        ),
        min_size=1,
        max_size=30,
    )
)
# clocks that change on the half hour, and the hour that comes twice
@example(asked=[(datetime(2024, 4, 6, 15, 15, tzinfo=UTC), "Australia/Lord_Howe")])
@example(asked=[(datetime(2016, 5, 1, 7, 15, tzinfo=UTC), "America/Caracas")])
@example(asked=[(datetime(2024, 11, 3, hour, 59, 59, tzinfo=UTC), "America/New_York") for hour in (4, 5, 6)])
def test_local_calendar_is_that_of_zoneinfo(asked):
    found = at([when.timestamp() for when, _ in asked], [zone for _, zone in asked])
    clocks = [when.astimezone(ZoneInfo(zone)) for when, zone in asked]
    assert found["local_hour"].tolist() == [clock.hour for clock in clocks]
    assert found["local_weekday"].tolist() == [clock.weekday() for clock in clocks]
    assert found["day_of_month"].tolist() == [clock.day for clock in clocks]
    assert found["month_of_year"].tolist() == [clock.month for clock in clocks]


@pytest.mark.parametrize(
    ("zone", "day"), [("America/New_York", datetime(2024, 3, 10)), ("Europe/Madrid", datetime(2024, 10, 27))]
)
def test_every_minute_of_a_day_on_which_clocks_change(zone, day):
    minutes = [day.replace(tzinfo=UTC) + timedelta(minutes=n) for n in range(1440)]
    found = at([minute.timestamp() for minute in minutes], [zone] * len(minutes))
    assert found["local_hour"].tolist() == [minute.astimezone(ZoneInfo(zone)).hour for minute in minutes]


@pytest.mark.parametrize("zone", ["", "America", "Mars/Olympus", "../etc", "a\0b", "x" * 300, "missing", None])
def test_unknown_zone_has_no_clock_and_spoils_no_other(zone):
    noon = datetime(2024, 7, 1, 12, tzinfo=UTC).timestamp()
    found = at([noon, noon], [zone, "Asia/Tokyo"])
    assert [np.isnan(found[name][0]) for name in LOCAL] == [True] * 4
    assert [found[name][1] for name in LOCAL] == [21.0, 0.0, 1.0, 7.0]


def test_counters_are_those_of_the_channel_asked():
    counters = {f"attempts_{name}": [float(n)] * 3 for n, name in enumerate(moment.CHANNELS)}
    found = at([0.0] * 3, ["UTC"] * 3, channel_asked=["sms", "visit", "pigeon"], **counters)
    expected = [moment.CHANNELS.index("sms"), moment.CHANNELS.index("visit")]
    assert found["attempts_by_channel"].tolist()[:2] == expected
    assert np.isnan(found["attempts_by_channel"][2])


def test_reach_at_a_point_is_what_was_reached_over_what_is_usual_drawn_to_one_where_little_was_tried():
    def reach(reached, usual):
        counts = {"right_parties_at_mobile": [float(reached)], "usual_at_mobile": [float(usual)]}
        return at([0.0], ["UTC"], **counts)["reach_at_point"][0]

    assert reach(np.nan, np.nan) == reach(0, 0) == 1
    assert 0.7 < reach(0, 26) < 1 < reach(1, 26) < 1 / 0.26
    assert reach(0, 2600) < 0.05 and reach(52, 2600) == pytest.approx(2, abs=0.05)


@given(
    now=st.floats(0, 2e9),
    past=st.floats(0, 2e9),
    born=st.integers(1930, 2005),
    ahead=st.sampled_from([1.0, 60.0]),
)
def test_ages_count_from_the_moment_of_the_question(now, past, born, ahead):
    names = [name for part in moment.VALUATION_INPUTS.values() for name in part]
    columns = {name: [past] for name in names} | {"birth_year": [born]}
    found = moment.at_valuation(columns | {"moment": [now], "horizon_months_asked": [ahead]})
    days = (now - past) / 86_400
    assert found["horizon_months"][0] == ahead
    assert found["days_since_attempt"][0] == pytest.approx(days)
    assert found["months_since_default"][0] == pytest.approx(days / (365.25 / 12))
    assert found["months_to_limitation"][0] == pytest.approx(-days / (365.25 / 12))
    assert found["months_on_book"][0] == 0
    assert abs(found["age_years"][0] - (datetime.fromtimestamp(now, UTC).year - born)) <= 1
