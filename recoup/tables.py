"""Results as text that a person can read in a terminal."""

from typing import Any


def metrics_table(metrics: dict[str, dict[str, float]]) -> str:
    """Return the model's metrics beside its baselines', one side a line."""
    names = list(next(iter(metrics.values())))
    head = f"{'out of time':<12}" + "".join(f"{name:>22}" for name in names)
    rows = [f"{side:<12}" + "".join(f"{values[name]:>22.4f}" for name in names) for side, values in metrics.items()]
    return "\n".join([head, *rows])


def coverage_table(coverage: dict[str, float]) -> str:
    """Return how often the 90 % intervals held, overall and by slice, one dimension a line.

    Examples
    --------
    >>> print(coverage_table({"all": 0.91, "grade A": 0.9, "grade B": 0.92}))
    90 % intervals held 91.0 %
      grade: A 90.0 %, B 92.0 %
    """
    lines: dict[str, list[str]] = {}
    for name, share in coverage.items():
        dimension, _, part = name.partition(" ")
        lines.setdefault(dimension, []).append(f"{part} {share:.1%}".replace("%", " %"))
    whole = lines.pop("all")[0].strip()
    return "\n".join([f"90 % intervals held {whole}", *[f"  {name}: {', '.join(of)}" for name, of in lines.items()]])


def portfolio_table(portfolio: dict[str, Any]) -> str:
    """Return a portfolio's totals, what to bid and what can be lost, currency by currency, and its warnings."""
    lines = [line for row in portfolio["by_currency"] for line in _currency_lines(row)]
    lines += [
        f"{found['segment']} cleared at {found['cleared']:.2%} on {found['date']}: recoup pays {found['own']:.2%}"
        for found in portfolio.get("clearing", {}).get("segments", [])
    ]
    lines.append(f"{portfolio['rejected']:,} rows rejected, model {portfolio['model_version']}")
    return "\n".join([*lines, *[f"warning: {warning}" for warning in portfolio["warnings"]]])


def _currency_lines(row: dict[str, Any]) -> list[str]:
    distribution = row["distribution"]
    recovery, value = distribution["recovery"][-1], distribution["value"]
    stressed = ", ".join(
        f"{name.replace('_', ' ')} {found['price_change']:+.0%}"
        for name, found in row["stress"].items()
        if name != "base"
    )
    return [
        f"{row['loans']:,} loans, balance {row['balance']:,.0f} {row['currency']}: expected recovery "
        f"{row['expected_recovery']:,.0f} ({row['recovery_rate']:.2%}), "
        f"price {row['price']:,.0f} ({row['price_share']:.2%})",
        f"  90 % interval: recovery {recovery['lower']:,.0f} to {recovery['upper']:,.0f}, "
        f"value {value['lower']:,.0f} to {value['upper']:,.0f}",
        f"  worst 5 % at that price: value at risk {distribution['value_at_risk']['95']:,.0f}, "
        f"expected shortfall {distribution['expected_shortfall']['95']:,.0f}",
        f"  price under stress: {stressed}",
    ]
