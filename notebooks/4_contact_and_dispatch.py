# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Contact and dispatch: who is there when, what reaching him adds, and a day's plan
#
# From attempts to a plan of a day, and to the service that answers for one debtor. The book is simulated, so that in
# the end the plan is held against the truth.
#
# Money is in USD, chances and shares are fractions, time is UTC unless it says local.

# %%
from datetime import UTC, datetime, time, timedelta

import matplotlib.pyplot as plt
import polars as pl
from IPython.display import Image, display

from features.lake import Lake
from features.world import load_truth, worth
from recoup.client import Dispatch
from recoup.demo_home import UNTIL
from recoup.notebook import ready_home, steps, table
from serving import server
from serving.dispatch import asked
from serving.dispatch.plan import plan
from training import registry
from training.attempt_value import AttemptValue

ready = ready_home()
model = ready.versions["contact"]
card, plots = model.package.card, registry.images(ready.home, model)

# %% [markdown]
# ## 1. Who was reached, by which channel, at which hour of his own day?
# Where a debtor's zone is unknown his hour is not known either: such attempts are left out. Brighter is better: a
# person at the door in the evening, few by telephone at noon.

# %%
lake = Lake(ready.home)
zones = lake.scan("borrowers").select("borrower_id", "time_zone").drop_nulls().unique("borrower_id", keep="last")
attempts = lake.scan("contacts").join(zones, on="borrower_id").collect()
attempts = attempts.with_columns(asked.calendar(attempts["attempted_at"], attempts["time_zone"]))
hour = pl.col("local_hour").floor().cast(pl.Int64).alias("hour")
reach = attempts.group_by("channel", hour).agg(pl.col("right_party").mean().alias("reached"))
grid = reach.filter(pl.col("hour").is_between(8, 20)).sort("hour").pivot(on="hour", index="channel", values="reached")
figure, axes = plt.subplots(figsize=(9, 3))
image = axes.imshow(grid.drop("channel").to_numpy(), aspect="auto", cmap="viridis")
axes.set(
    xticks=range(grid.width - 1), xticklabels=grid.columns[1:], yticks=range(grid.height), yticklabels=grid["channel"]
)
axes.set(xlabel="local hour", title="share of attempts that reached the debtor")
figure.colorbar(image)
plt.show()

# %%
table(
    attempts.group_by("channel")
    .agg(
        pl.len().alias("attempts"),
        pl.col("right_party").mean().alias("share that reached the debtor"),
        pl.col("cost").mean().alias("cost of an attempt (USD)"),
    )
    .sort("share that reached the debtor", descending=True)
)

# %% [markdown]
# ## 2. The model in force, and what it has to beat
# Every attempt is seen one second before it was made. All sides stand on the same later attempts: a higher area under
# the curve puts them in better order, a lower log loss says better how likely each one is.

# %%
print(f"{model.label}: {len(model.package.names)} inputs, {card.rows:,} attempts, facts known by {card.as_of[:10]}")
table(pl.DataFrame([{"out of time": side, **found} for side, found in card.metrics.items()]))

# %% [markdown]
# **Is a chance of 30 % right three times in ten?** Each dot is a tenth of the later attempts by score.

# %%
display(Image(plots / "calibration.png"))

# %% [markdown]
# ## 3. What does reaching a debtor add?
# Whom somebody reached would often have paid anyway. What counts is the difference, doubly robust, by channel and age
# of the debt; a bar is its 90 % interval. Where a bar crosses zero nobody can say that talking brings money.

# %%
values = AttemptValue.from_card(card.attempt_value)
cells = values.cells.sort("channel", "age_band")
bands = cells["age_band"].unique().sort().to_list()
channels = cells["channel"].unique(maintain_order=True).to_list()
figure, axes = plt.subplots(figsize=(9, 3.4))
for offset, band in enumerate(bands):
    part = cells.filter(pl.col("age_band") == band)
    at = [channels.index(name) + 0.18 * (offset - (len(bands) - 1) / 2) for name in part["channel"]]
    below, above = part["added"] - part["lower"], part["upper"] - part["added"]
    axes.errorbar(at, part["added"], yerr=[below, above], fmt="o", capsize=3, label=f"{band}")
axes.axhline(0, color="grey", linewidth=1)
axes.set(xticks=range(len(channels)), xticklabels=channels, ylabel="net USD within 30 days on a typical debt")
axes.legend(title="age band of the debt", ncols=len(bands), fontsize=8)
plt.show()

# %% [markdown]
# ## 4. A day's plan
# Every lawful attempt of the day is valued: chance times what it adds, less its cost. The plan takes, of all of them,
# those worth most under the desk's capacities; the bound says what no plan can exceed.

# %%
day = UNTIL + timedelta(days=1)
with steps("planning the day", 3) as progress:
    planned = plan(ready.home, day, ready.home.reports / "dispatch", progress=progress)
print(planned.summary())
display(Image(planned.folder / "plan.png"))

# %% [markdown]
# **What would one more of each add?** The price of a limit, from the assignment's dual: what to hire, and what to let
# go. An agent more, working all his hours, is worth this a day.

# %%
pools = pl.DataFrame(planned.report["capacities"]).select(
    "pool", "unit", "units", "capacity", "used", "added_by_one_more"
)
table(pools.rename({"added_by_one_more": f"added by one more ({planned.report['currency']} a day)"}), digits=2)

# %% [markdown]
# **What may not be done, and by which rule?** Candidates that were refused, by the clause that says so.

# %%
refused = planned.report["refusals"]
table(pl.DataFrame({"clause": list(refused), "candidates refused": list(refused.values())}))

# %% [markdown]
# ## 5. One debtor, asked over HTTP
# The Bento of the model in force is served on this machine; the typed client asks as a dialler would. The line is
# the chance that a call reaches the debtor of the plan's best call, hour by hour; the dots are the lawful attempts
# that the service proposes for the day.

# %%
best = planned.contacts.filter(pl.col("channel") == "call").sort("net_value", descending=True).row(0, named=True)
start = datetime.combine(day, time.min, UTC)
with server.running(ready.home, ready.bentos["contact"], server.free_port()) as url, Dispatch(url) as dispatch:
    chances = [dispatch.chance(best["loan_id"], "call", "mobile", start + timedelta(hours=hour)) for hour in range(24)]
    proposed = dispatch.next_contact(best["loan_id"], start, most=3)
figure, axes = plt.subplots(figsize=(9, 3))
axes.plot(range(24), [answer.chance for answer in chances], marker=".", label="chance that a call reaches him")
hours = [(slot.planned_at - start).total_seconds() / 3600 for slot in proposed.slots]
axes.scatter(hours, [slot.chance for slot in proposed.slots], color="tab:red", zorder=3, label="proposed")
axes.set(xlabel=f"hour of {day} (UTC)", ylabel="chance", ylim=(0, None), title=f"loan {best['loan_id']}")
axes.legend()
plt.show()
shown = {"channel", "planned_at", "local_hour", "chance", "added_value", "cost", "net_value"}
slots = pl.DataFrame([slot.model_dump(include=shown) for slot in proposed.slots])
table(
    slots.rename({name: f"{name.replace('_', ' ')} (USD)" for name in ("added_value", "cost", "net_value")}), digits=2
)

# %% [markdown]
# ## 6. What it is truly worth
# The world tells what each planned attempt would bring on average. A plan promises too much where it took what it had
# overrated: that is why the promise stands beside the truth, channel by channel.

# %%
true = worth(load_truth(ready.world / "truth"), planned.contacts)
by_channel = (
    true.group_by("channel")
    .agg(
        pl.len().alias("contacts"),
        pl.col("net_value").sum().alias("promised (USD)"),
        pl.col("true_net").sum().alias("true (USD)"),
        pl.col("chance").mean().alias("chance, promised"),
        pl.col("true_chance").mean().alias("chance, true"),
    )
    .sort("true (USD)")
)
figure, axes = plt.subplots(figsize=(8, 2.8))
places = range(by_channel.height)
axes.barh([place + 0.2 for place in places], by_channel["promised (USD)"], 0.4, label="promised", color="silver")
axes.barh([place - 0.2 for place in places], by_channel["true (USD)"], 0.4, label="true", color="tab:blue")
axes.set(yticks=list(places), yticklabels=by_channel["channel"], xlabel="net USD of the day's contacts")
axes.legend()
plt.show()
table(by_channel.reverse(), digits=2)
