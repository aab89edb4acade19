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
# # The road, from a tape to a score
#
# A small simulated portfolio walks the whole way: feeds → lake → features in time → model → price →
# explanation. Everything is called from the four floors; nothing is defined here.
#
# Money is in USD, rates are shares of the balance, time is UTC. The folder of this run is
# `RECOUP_HOME`; without one, a temporary folder is used and forgotten.

# %%
import os
import secrets
import tempfile
from datetime import UTC, datetime
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl

LOANS = int(os.environ.get("NOTEBOOK_LOANS", "3000"))
os.environ.setdefault("RECOUP_HOME", tempfile.mkdtemp(prefix="recoup-"))
os.environ.setdefault("RECOUP_TOKEN_KEY", secrets.token_hex(32))

from features import home as homes

home = homes.current()

# %% [markdown]
# ## 1. A world whose truth is known
# Borrowers, loans, payments, contacts, court and market come from one structural model. What really
# drives them is written to a folder apart; models never see it.

# %%
from features.world import simulate

world = simulate(LOANS, 11, Path(tempfile.mkdtemp()) / "world")
pl.DataFrame({"file": list(world.rows), "rows": list(world.rows.values())})

# %% [markdown]
# ## 2. Intake
# Each feed is validated against its schema; rejected rows are kept with field and reason. Direct
# identifiers are tokens from here on.

# %%
from features.lake import Lake

lake = Lake(home)
for feed, path in world.feeds.items():
    batch = lake.ingest(path, "canonical", feed)
    print(f"{feed:<12}{batch.accepted[feed]:>8,} accepted {batch.rejected[feed]:>6,} rejected")

# %% [markdown]
# What is owed, and how old the debts are: most balances are small, most defaults are recent.

# %%
loans = lake.scan("loans").collect()
age = (loans["cutoff_on"] - loans["default_on"]).dt.total_days() / 365.25
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3))
left.hist(loans["balance"].clip(upper_bound=40_000), bins=60)
left.set(xlabel="balance at cut-off (USD, capped at 40,000)", ylabel="loans")
right.hist(age, bins=60)
right.set(xlabel="age of the debt at cut-off (years)", ylabel="loans")
plt.show()

# %% [markdown]
# ## 3. Features in time
# The door to Feast answers what was known at each row's own moment. A year later more is known about
# the same loan, and only then does the frame show it.

# %%
from features.store import FeatureDoor

door = FeatureDoor(home)
door.refresh()
asked = loans.head(400).select(
    "loan_id", "borrower_id", "region",
    pl.col("cutoff_on").cast(pl.Datetime("us", "UTC")).dt.offset_by("2d").alias("moment"),
    horizon_months_asked=pl.lit(12.0),
)  # fmt: skip
at_cutoff = door.frame("recovery_v1", asked)
a_year_on = door.frame("recovery_v1", asked.with_columns(pl.col("moment").dt.offset_by("1y")))
watched = ["attempts", "right_parties", "collected_share", "months_since_default"]
pl.concat([at_cutoff.select(watched).mean(), a_year_on.select(watched).mean()]).insert_column(
    0, pl.Series("mean over loans", ["at cut-off", "a year on"])
)

# %% [markdown]
# ## 4. A recovery model
# Rows count only horizons that a loan has lived through; the last quarter of loans by issue date is
# the test, and the baselines stand on the same rows.

# %%
from recoup.tables import metrics_table
from training.train import train

as_of = datetime(2025, 6, 30, 23, 59, 59, tzinfo=UTC)
trained, registered = train("recovery", home, as_of=as_of, trials=2, seed=11)
print(metrics_table(trained.metrics))

# %% [markdown]
# Do loans that score high recover more? Each dot is a tenth of the test loans by score.

# %%
from IPython.display import Image, display

for plot in ("calibration", "shap_summary"):
    display(Image(home.reports / "training" / "recovery" / f"{plot}.png"))

# %% [markdown]
# ## 5. A price for a tape on offer
# Expected recovery over time, net of collection cost, discounted at the required return.

# %%
from serving.pricing import tape, valuation

priced = tape.price(home, world.tape, "canonical", Path(tempfile.mkdtemp()) / "prices", valuation.assumptions())
prices = pl.read_parquet(priced.prices)
prices.select("loan_id", "balance", "recovery_rate", "price", "reason_1").head()

# %%
curve = priced.portfolio["by_currency"][0]["recovery_curve"]
figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3))
left.plot([int(h) for h in curve], list(curve.values()), marker="o")
left.set(xlabel="months since cut-off", ylabel="recovered share of balance", ylim=0)
right.hist(prices["recovery_rate"], bins=50)
right.set(xlabel="expected ultimate recovery rate", ylabel="loans")
plt.show()

# %% [markdown]
# The world's own expectation for the same loans, which the model never saw: how close is the ranking?

# %%
truth = pl.read_parquet(world.truth / "loans.parquet").select("loan_id", "expected_60")
both = prices.join(truth, on="loan_id")
rank = both.select(pl.corr("recovery_rate", "expected_60", method="spearman")).item()
print(f"rank correlation with the truth: {rank:.2f}")

# %% [markdown]
# ## 6. Why?
# Contributions and base add up to the score, always. For one loan, in money:

# %%
package = registered.package
row = package.reference.drop("score").head(1)
explained = package.explain(row)
largest = pl.DataFrame({"input": package.names, "effect on rate": explained.contributions[0]}).sort(
    pl.col("effect on rate").abs(), descending=True
)
print(f"base {explained.base[0]:.4f} + contributions = {explained.scores[0]:.4f}")
largest.head(8)

# %% [markdown]
# ## 7. The same over HTTP
# The model is built into a Bento, served on this machine, and asked with the typed client, which takes the
# service's address and key from the environment or, as here, as they are given.

# %%
from recoup.client import Pricing
from serving import bento, server

os.environ.setdefault("RECOUP_API_KEY", secrets.token_hex(32))
door.materialize(as_of)
with server.running(home, bento.build(home, registered), server.free_port()) as url, Pricing(url) as pricing:
    answer = pricing.price(asked["loan_id"].head(5).to_list(), as_of)
shown = {"loan_id", "owed", "recovery_rate", "recovery_rate_upper", "expected_recovery", "price", "decision_id"}
pl.DataFrame([loan.model_dump(include=shown) for loan in answer.loans])
