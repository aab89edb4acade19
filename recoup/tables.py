"""Results as text that a person can read in a terminal."""

from typing import Any


def metrics_table(metrics: dict[str, dict[str, float]]) -> str:
    """Return the model's metrics beside its baselines', one side a line."""
    names = list(next(iter(metrics.values())))
    head = f"{'out of time':<12}" + "".join(f"{name:>22}" for name in names)
    rows = [f"{side:<12}" + "".join(f"{values[name]:>22.4f}" for name in names) for side, values in metrics.items()]
    return "\n".join([head, *rows])


def portfolio_table(portfolio: dict[str, Any]) -> str:
    """Return a portfolio's totals, a line per currency, and its warnings."""
    lines = [
        f"{row['loans']:,} loans, balance {row['balance']:,.0f} {row['currency']}: expected recovery "
        f"{row['expected_recovery']:,.0f}, price {row['price']:,.0f}"
        for row in portfolio["by_currency"]
    ]
    lines.append(
        f"recovery {portfolio['recovery_rate']:.2%} of balance, price {portfolio['price_share']:.2%}, "
        f"{portfolio['rejected']:,} rows rejected, model {portfolio['model_version']}"
    )
    return "\n".join([*lines, *[f"warning: {warning}" for warning in portfolio["warnings"]]])
