# ---
# jupyter:
#   jupytext:
#     formats: py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Recovery: from frame to registered model to bid curve
#
# How much of what is owed comes in, by when, how sure is that, and what may a buyer pay? The book is
# simulated, so that every answer can be held against the truth at the end.
#
# Money is in USD, rates are shares of what is owed, time is UTC. Without `RECOUP_HOME` a temporary
# folder is used and forgotten.

# %%
import os
import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from IPython.display import Image, display

LOANS = int(os.environ.get("NOTEBOOK_LOANS", "4000"))
os.environ.setdefault("RECOUP_HOME", tempfile.mkdtemp(prefix="recoup-"))
os.environ.setdefault("RECOUP_TOKEN_KEY", secrets.token_hex(32))

from features import home as homes
from features.lake import Lake
from features.world import simulate

home = homes.current()
world = simulate(LOANS, 5, Path(tempfile.mkdtemp()) / "world", progress=lambda line: None)
for feed, path in world.feeds.items():
    Lake(home).ingest(path, "canonical", feed)

# %% [markdown]
# ## 1. What may be learnt from: loans at horizons that they have lived through
# A row is a loan, at a moment with us, at a horizon that ended by now. A young loan says nothing of its
# third year: it is absent there, not zero.

# %%
from training import recovery

as_of = datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC)
rows = recovery.rows(Lake(home), "canonical", as_of)
first = rows.filter(pl.col("moment") == pl.col("cutoff"))
first.group_by(pl.col("cutoff").dt.year().alias("cut-off in"), pl.col("horizon_months_asked").alias("months")).agg(
    pl.len().alias("loans")
).sort("months").pivot(on="months", index="cut-off in", values="loans").sort("cut-off in")

# %% [markdown]
# **How does recovery spread?** A spike at nothing, a body of small payments, a thin tail.

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3))
for months, shade in ((12.0, "tab:blue"), (36.0, "tab:orange")):
    rates = first.filter(pl.col("horizon_months_asked") == months)["target"].to_numpy()
    axes[0].hist(
        rates, bins=np.linspace(0, 0.5, 60), alpha=0.6, density=True, label=f"{months:.0f} months", color=shade
    )
    axes[1].plot(np.sort(rates), np.linspace(0, 1, len(rates)), label=f"{months:.0f} months", color=shade)
axes[0].set(xlabel="recovered share (to 0.5)", ylabel="density", yscale="log")
axes[1].set(xlabel="recovered share", ylabel="share of loans at or below", xlim=(0, 0.5), ylim=(0, 1))
axes[1].legend()
plt.show()

# %% [markdown]
# ## 2. Features as of each row's own moment
# The door to Feast joins what was known then: nothing that came later can enter.

# %%
from features.store import FeatureDoor

door = FeatureDoor(home)
door.refresh()
frame = door.frame("recovery_v1", first.head(2000))
units = pl.DataFrame([vars(column) for column in door.columns("recovery_v1")]).select("name", "view", "unit", "about")
print(f"{frame.width} inputs")
units.sample(12, seed=1)

# %% [markdown]
# ## 3. Train, with challengers on the same rows
# Optuna chooses design and parameters on rolling origins before the test; the test is the last quarter
# of loans by date of issue. All sides below saw the same rows.

# %%
from recoup.tables import coverage_table, metrics_table
from training.train import train

trained, registered = train(
    "recovery", home, as_of=as_of, trials=2, seed=5, challengers=True, progress=lambda line: None
)
package = registered.package
print(registered.label, "design:", package.card.parameters["design"])
print(metrics_table(trained.metrics))

# %% [markdown]
# Is it right on the whole (calibration), ahead of the others (comparison), and is the average curve right
# although most vintages are young (curve)?

# %%
plots = home.reports / "training" / "recovery"
for name in ("calibration", "comparison", "curve", "shap_summary"):
    display(Image(plots / f"{name}.png"))

# %% [markdown]
# Do the 90 % intervals hold what they claim, slice by slice?

# %%
print(coverage_table(package.card.coverage))

# %% [markdown]
# ## 4. One loan's outlook
# Expected recovery and its interval over time, for a loan in the middle and one near the top.

# %%
sample = package.reference.drop("score")
outlook = package.outlook(sample)
order = np.argsort(outlook.rate)
figure, axes = plt.subplots(1, 2, figsize=(10, 3), sharey=True)
for side, place in zip(axes, (order[len(order) // 2], order[int(0.97 * len(order))]), strict=True):
    months = [0.0, *outlook.horizons]
    side.fill_between(months, [0, *outlook.lower[place]], [0, *outlook.upper[place]], alpha=0.25, label="90 % interval")
    side.plot(months, [0, *outlook.curve[place]], marker="o", label="expected")
    side.set(xlabel="months", title=f"expected ultimate {outlook.rate[place]:.1%}")
axes[0].set(ylabel="recovered share of what is owed")
axes[0].legend()
plt.show()

# %% [markdown]
# ## 5. A price, and what to bid
# A tape on offer: cash over time, net of what each channel keeps, discounted at the required return. Loans
# share their region's luck and the market's, so a portfolio's interval is wider than its loans' own luck.

# %%
from recoup.tables import portfolio_table
from serving.pricing import tape, valuation

out = Path(tempfile.mkdtemp()) / "prices"
priced = tape.price(home, world.tape, "canonical", out, valuation.assumptions(), progress=lambda line: None)
print(portfolio_table(priced.portfolio))
display(Image(out / "bid_curve.png"))

# %% [markdown]
# What would hurt most? Price under each named stress, beside the base.

# %%
stressed = priced.portfolio["by_currency"][0]["stress"]
pl.DataFrame(
    {
        "stress": list(stressed),
        "price (USD)": [round(found["price"]) for found in stressed.values()],
        "change": [found["price_change"] for found in stressed.values()],
    }
)

# %% [markdown]
# ## 6. Against the truth
# The world knows each loan's expected recovery. How close are level and order?

# %%
prices = pl.read_parquet(priced.prices)
truth = pl.read_parquet(world.truth / "loans.parquet")
both = prices.join(truth.select("loan_id", "expected_60", "realised_60"), on="loan_id")
money = {
    "expected by recoup": both["expected_recovery"].sum(),
    "expected by the world": (both["expected_60"] * both["balance"]).sum(),
    "came in": (both["realised_60"] * both["balance"]).sum(),
}
rank = both.select(pl.corr("recovery_rate", "expected_60", method="spearman")).item()
print(f"rank correlation with the truth: {rank:.2f}")
pl.DataFrame({"": list(money), "USD": [round(amount) for amount in money.values()]})
