"""Pictures of a portfolio's price."""

from pathlib import Path
from typing import Any

_SHOWN_SALES = 25


def bid_curve(by_currency: list[dict[str, Any]], path: Path) -> None:
    """Draw a price's chance to reach the required return, and recovery over time, a row a currency.

    Parameters
    ----------
    by_currency : list of dict
        ``currency`` and ``distribution`` (see `portfolio.summary`).
    path : Path
        PNG to write.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.4 * len(by_currency)), layout="constrained")
    for (bids, recovery), held in zip(figure.subplots(len(by_currency), 2, squeeze=False), by_currency, strict=True):
        distribution = held["distribution"]
        curve, value = distribution["bid_curve"], distribution["value"]
        bids.plot([100 * bid["price_share"] for bid in curve], [100 * bid["probability"] for bid in curve], marker=".")
        bids.axvline(100 * value["expected_share"], color="grey", linestyle="--", linewidth=1, label="expected value")
        bids.set(xlabel="price, % of balance", ylabel="probability of the required return, %", ylim=(0, 100),
                 title=f"What to bid ({held['currency']})")  # fmt: skip
        bids.legend()
        _recovery(recovery, distribution["recovery"])
    figure.savefig(path, dpi=110)


def _recovery(axes: Any, steps: list[dict[str, float]]) -> None:
    months = [0.0, *(step["months"] for step in steps)]
    mean, low, high = (
        [0.0, *(100 * step[f"{side}_share"] for step in steps)] for side in ("expected", "lower", "upper")
    )
    axes.fill_between(months, low, high, alpha=0.25, label="90 % interval")
    axes.plot(months, mean, marker="o", label="expected")
    axes.set(xlabel="months after purchase", ylabel="cash, % of balance", ylim=(0, None), xlim=(0, None),
             title="What comes in by when")  # fmt: skip
    axes.legend(loc="upper left")


def clearing(comparison: dict[str, Any], path: Path) -> None:
    """Draw our price beside the market's, segment by segment, the largest balances first.

    Parameters
    ----------
    comparison : dict
        See `clearing.compare`.
    path : Path
        PNG to write.
    """
    from matplotlib.figure import Figure

    shown = sorted(comparison["segments"], key=lambda found: -found["balance"])[:_SHOWN_SALES]
    figure = Figure(figsize=(9, 1.4 + 0.42 * len(shown)), layout="constrained")
    axes = figure.subplots()
    for place, found in enumerate(shown):
        axes.plot(
            [100 * found["own"], 100 * found["cleared"]], [place, place], color="lightgrey", linewidth=3, zorder=1
        )
        axes.annotate(_why(found), (1.01, place), xycoords=("axes fraction", "data"), va="center", fontsize=8)
    places = range(len(shown))
    axes.scatter([100 * found["own"] for found in shown], places, label="recoup", zorder=2)
    axes.scatter([100 * found["cleared"] for found in shown], places, marker="D", label="cleared", zorder=2)
    axes.set_yticks(places, [f"{found['segment']} ({found['date']})" for found in shown])
    axes.margins(y=0.6 / len(shown))
    axes.invert_yaxis()
    axes.set(xlabel="price, % of balance", title="Our price and the market's, and what would explain the difference")
    axes.legend(loc="best")
    figure.savefig(path, dpi=110)


def _why(found: dict[str, Any]) -> str:
    rate, recoveries = found["implied_return"], found["implied_recoveries"]
    told = [f"return {rate:.0%}"] if rate is not None else []
    told += [f"recoveries × {recoveries:.2f}"] if recoveries is not None else []
    return " or ".join(told)
