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
# # Contact: from attempts to who is there when, to a day's plan and its value
#
# Whom to reach, how and when? The book is simulated, so that the plan can be held against the truth.
#
# Money is in USD, time is UTC unless it says local. Without `RECOUP_HOME` a temporary folder is used
# and forgotten.

# %%
import os
import secrets
import tempfile
from datetime import UTC, date, datetime
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl
from IPython.display import Image, display

LOANS = int(os.environ.get("NOTEBOOK_LOANS", "4000"))
os.environ.setdefault("RECOUP_HOME", tempfile.mkdtemp(prefix="recoup-"))
os.environ.setdefault("RECOUP_TOKEN_KEY", secrets.token_hex(32))

from features import home as homes
from features.lake import Lake
from features.world import load_truth, simulate, worth

home = homes.current()
world = simulate(LOANS, 5, Path(tempfile.mkdtemp()) / "world", progress=lambda line: None)
for feed, path in world.feeds.items():
    Lake(home).ingest(path, "canonical", feed)

# %% [markdown]
# ## 1. Who was reached, by which channel, at which hour of his own day
# Where nothing is known of a debtor's zone his hour is not known either: such attempts are left out.

# %%
from serving.dispatch import asked

lake = Lake(home)
zones = lake.scan("borrowers").select("borrower_id", "time_zone").drop_nulls().unique("borrower_id", keep="last")
attempts = lake.scan("contacts").join(zones, on="borrower_id").collect()
attempts = attempts.with_columns(asked.calendar(attempts["attempted_at"], attempts["time_zone"]))
attempts.group_by("channel").agg(
    pl.len().alias("attempts"), pl.col("right_party").mean().alias("reached"), pl.col("cost").mean().alias("cost")
).sort("reached", descending=True)

# %%
hours, channels = list(range(8, 21)), ["call", "auto_call", "visit", "sms", "email", "letter"]
reach = attempts.group_by("channel", pl.col("local_hour").floor().cast(pl.Int64).alias("hour")).agg(
    pl.col("right_party").mean().alias("reached")
)
table = {(channel, hour): reached for channel, hour, reached in reach.iter_rows()}
heat = [[table.get((channel, hour), float("nan")) for hour in hours] for channel in channels]
figure, axis = plt.subplots(figsize=(9, 3))
image = axis.imshow(heat, aspect="auto", cmap="viridis")
axis.set(xticks=range(len(hours)), xticklabels=hours, yticks=range(len(channels)), yticklabels=channels)
axis.set(xlabel="local hour", title="share of attempts that reached the debtor")
figure.colorbar(image)
plt.show()

# %% [markdown]
# ## 2. The model, and what reaching a debtor adds
# Whom somebody reached would often have paid anyway. What counts is the difference, doubly robust, by
# channel and age of the debt, each with its 90 % interval.

# %%
from training import registry
from training.attempt_value import AttemptValue
from training.train import train

train("contact", home, as_of=datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC), trials=1, seed=3)
values = AttemptValue.from_card(registry.load(home, "contact").package.card.attempt_value)
values.cells.select("channel", "age_band", "attempts", "raw", "added", "lower", "upper")

# %% [markdown]
# ## 3. A day's plan
# Every lawful attempt of the day is valued: chance times what it adds, less its cost. The plan takes, of
# all of them, those worth most under the desk's capacities; the bound says what no plan can exceed.

# %%
from serving.dispatch.plan import plan

planned = plan(home, date(2026, 1, 1), home.reports / "dispatch", progress=lambda line: None)
print(planned.summary())
display(Image(planned.folder / "plan.png"))

# %% [markdown]
# **What would one more of each add?** The price of a limit, from the assignment's dual: what to hire,
# and what to let go. An agent more, working all his hours, is worth this a day.

# %%
pl.DataFrame(planned.report["capacities"]).select("pool", "unit", "units", "capacity", "used", "added_by_one_more")

# %% [markdown]
# **What may not be done, and by which rule?**

# %%
pl.DataFrame({"clause": list(planned.report["refusals"]), "refused": list(planned.report["refusals"].values())})

# %% [markdown]
# ## 4. What it is truly worth
# The world tells what each planned attempt would bring on average. A plan promises too much where it
# took what it had overrated: that is why the promise stands beside the truth.

# %%
true = worth(load_truth(world.truth), planned.contacts)
true.group_by("channel").agg(
    pl.len().alias("contacts"),
    pl.col("net_value").sum().alias("promised"),
    pl.col("true_net").sum().alias("true"),
    pl.col("chance").mean(),
    pl.col("true_chance").mean(),
).sort("true", descending=True)
