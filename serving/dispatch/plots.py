"""Pictures of a day's plan."""

from pathlib import Path
from typing import Any

import polars as pl

from features.feeds.contacts import CHANNELS


def plan(contacts: pl.DataFrame, report: dict[str, Any], path: Path) -> None:
    """Draw contacts by hour and channel, and the value that each channel adds.

    Parameters
    ----------
    contacts : polars.DataFrame
        See `plan.Plan`.
    report : dict
        Of the same plan.
    path : Path
        PNG to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 4), layout="constrained")
    by_hour, by_channel = figure.subplots(1, 2, width_ratios=(3, 2))
    bottom = [0] * 24
    names = list(dict.fromkeys(row["channel"] for row in report["capacities"] if row["channel"] in CHANNELS))
    for name in names:
        hours = contacts.filter(pl.col("channel") == name)["planned_at"].dt.hour().to_list()
        counts = [hours.count(hour) for hour in range(24)]
        by_hour.bar(range(24), counts, bottom=bottom, label=name)
        bottom = [below + count for below, count in zip(bottom, counts, strict=True)]
    by_hour.set(xlabel="hour (UTC)", ylabel="contacts", title=f"{contacts.height:,} contacts on {report['date']}")
    figure.legend(loc="outside lower center", ncols=len(names))
    worth = dict(contacts.group_by("channel").agg(pl.col("net_value").sum()).iter_rows())
    by_channel.barh(names, [worth.get(name, 0.0) for name in names])
    by_channel.invert_yaxis()
    value, plain = report["contact_value"], report["baseline"]["expected_value"]
    by_channel.set(xlabel=f"expected net cash ({report['currency']})",
                   title=f"{value:,.0f}; largest debt first {plain:,.0f}")  # fmt: skip
    figure.savefig(path, dpi=110)
