# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Features in time: what was known, when, and a leak that is found
#
# A fact has two moments: when it happened and when we learnt it. A training row may use only what was known at its
# own moment. Here that is looked at on the demo's book; then the commonest mistake of all is made on purpose, found
# by two means, and mended.
#
# Time is UTC, money is in USD, shares are fractions.

# %%
from dataclasses import replace
from datetime import UTC, datetime, time

import matplotlib.pyplot as plt
import polars as pl
from IPython.display import SVG

from features import asof
from features.feeds import FEEDS
from features.feeds.columns import INSTANT
from features.store import FeatureDoor
from monitoring.validation.checks import leakage
from monitoring.validation.evidence import gather
from recoup.demo_home import TRAINED_AS_OF, UNTIL
from recoup.notebook import ready_home, steps, table
from training import recovery

ready = ready_home()
door = FeatureDoor(ready.home)
door.refresh()

# %% [markdown]
# ## 1. How late do we learn?
# A payment is booked days after it was made, a court's step is heard of weeks later, an index is published a month
# after its own. A model taught on what had happened, rather than on what was known, would miss all of it live.

# %%
delays = {}
for feed in ("payments", "contacts", "litigation", "market"):
    rows = door.lake.scan(feed).with_columns(happened=pl.col(FEEDS[feed].HAPPENED).cast(INSTANT))
    known = rows.select((pl.col("known_at") - pl.col("happened")).dt.total_seconds() / 86_400).collect()
    delays[feed] = known.to_series().sort()
figure, axes = plt.subplots(figsize=(8, 3.4))
for feed, days in delays.items():
    axes.plot(days.clip(0.01), [place / len(days) for place in range(len(days))], label=feed)
axes.set(xlabel="days from the event to our knowing it (logarithmic)", ylabel="share of rows", xscale="log")
axes.set(title="how late facts reach us")
axes.legend()
plt.show()
late = {
    "feed": list(delays),
    "rows": [len(days) for days in delays.values()],
    "median (days)": [days.median() for days in delays.values()],
    "95th percentile (days)": [days.quantile(0.95) for days in delays.values()],
}
table(pl.DataFrame(late), digits=2)

# %% [markdown]
# ## 2. A frame as of each row's own moment
# The door to Feast is asked about loans at moments, and answers what was known then. The same loans, asked again
# later: attempts and cash have come in, the cause of the debt has not changed.

# %%
loans = recovery.charged_off(door.lake, "canonical", TRAINED_AS_OF).sort("cutoff").head(400)
months = [0, 3, 6, 12, 18, 24]
asked = loans.join(pl.DataFrame({"months": months}), how="cross").with_columns(
    pl.col("cutoff").dt.offset_by(pl.format("{}mo", "months")).alias("moment"), horizon_months_asked=pl.lit(12.0)
)
frame = door.frame("recovery_v1", asked)
watched = ["attempts", "right_parties", "collected_share"]
by_month = frame.select(asked["months"], *watched).group_by("months").mean().sort("months")
figure, panels = plt.subplots(1, 3, figsize=(12, 3), layout="constrained")
for axes, name in zip(panels, watched, strict=True):
    axes.plot(by_month["months"], by_month[name], marker="o")
    axes.set(xlabel="months since the cut-off", title=f"mean {name.replace('_', ' ')}", ylim=(0, None))
plt.show()
same = frame.with_columns(asked["loan_id"]).group_by("loan_id").agg(pl.col("credit_score", "purpose").n_unique())
print(f"{(same['purpose'] == 1).mean():.0%} of the loans have one purpose at all {len(months)} moments")

# %% [markdown]
# **What are the inputs?** Each has a view that it comes from, a unit and a meaning; the order is the model's.

# %%
columns = pl.DataFrame([vars(column) for column in door.columns("recovery_v1")])
print(f"{columns.height} inputs")
table(columns.select("view", "name", "kind", "unit", "about").sample(14, seed=3))

# %% [markdown]
# ## 3. One definition, asked two ways
# Services read online rows, training reads frames. Asked about the same loans at the same moment they say the same,
# to the last bit; if they did not, every live score would be a little wrong.

# %%
last = datetime.combine(UNTIL, time(23, 59, 59), UTC)
now = loans.head(200).select("loan_id", "borrower_id", moment=pl.lit(last), horizon_months_asked=pl.lit(12.0))
online = door.online("recovery_v1", now).frame
print(f"{online.height} loans x {online.width} inputs, online and in a frame: "
      f"{'equal to the bit' if online.equals(door.frame('recovery_v1', now)) else 'DIFFERENT'}")  # fmt: skip

# %% [markdown]
# ## 4. The mistake: joining on the latest value
# Rows as for training, of a sample of loans: each is valued at a moment, with what came in since as the answer. First
# the model is fitted to what lies before the test, as validation does. Then somebody in a hurry fills two columns
# with the *latest* row of the mart instead of the row's own. The code is shorter, and nothing fails.

# %%
model = ready.versions["recovery"]
with steps("rows, features, an honest fit", 3) as progress:
    without = gather(ready.home, model, None, progress, most_rows=8_000, challengers=False)
honest = without.learner
planted = ["collected_share", "collections"]
latest = asof.latest(door.known("financial", planted), datetime(1970, 1, 1, tzinfo=UTC), TRAINED_AS_OF)
joined = honest.rows.select("loan_id").join(
    pl.DataFrame(latest).select("loan_id", *planted), on="loan_id", how="left", maintain_order="left"
)
leaky = replace(honest, frame=honest.frame.with_columns(joined.select(planted)))
means = {
    "mean of": planted,
    "as known at the moment": honest.frame.select(planted).mean().row(0),
    "as known today": leaky.frame.select(planted).mean().row(0),
}
table(pl.DataFrame(means))

# %% [markdown]
# ## 5. Found by the validation checks
# The check looks at each input alone: none may order the outcomes of later loans nearly as well as a perfect model
# would. It is part of every model-risk pack, and no version takes the alias over a red light.

# %%
with_leak = replace(without, learner=leaky)
found = leakage.run(with_leak)
print(f"{found.verdict}: {found.says}\n{found.limits}")
SVG(found.plots[0].svg)

# %% [markdown]
# The two planted columns stand in front, red: an input that knows the answer.

# %% [markdown]
# ## 6. Found by a score that is too good, until it is asked live
# Out of time the leaking model is the best that anybody has seen. Live, the columns hold what was known at the moment
# of the question: it puts loans in order no better than the honest model does, and its level is gone. It waits for
# payments that nobody has made yet, and foretells a small part of what comes in. The honest model promises less, and
# keeps it.

# %%
curve = leaky.curve(without.parts.train)
with steps("a fit on the leaking columns", 1):
    fitted = leaky.fit(without.parts.train, model.package.card.parameters, curve)
too_good = leaky.scores(fitted, without.mask, curve)
live = honest.scores(fitted, without.mask, curve)
compared = {
    "leaking, as it was joined": without.order(without.realised, too_good),
    "leaking, asked live": without.order(without.realised, live),
    "honest, asked live": without.order(without.realised, without.scores),
}
figure, axes = plt.subplots(figsize=(8, 2.4))
bars = axes.barh(list(compared), list(compared.values()), color=["tab:red", "tab:red", "tab:blue"])
axes.bar_label(bars, fmt="%.2f", padding=3)
axes.set(
    xlabel=f"{without.order_metric}'s correlation with what came in, out of time",
    xlim=(min(0, *compared.values()), 1.1),
)
axes.invert_yaxis()
plt.show()
shares = {
    "foretold by the leaking model, live": live.mean(),
    "foretold by the honest model": without.scores.mean(),
    "came in": without.realised.mean(),
}
table(
    pl.DataFrame({"of the test's loans": list(shares), "mean recovery (share of what was owed)": list(shares.values())})
)

# %% [markdown]
# ## 7. Mended
# The frame comes through the door, as it always should have, and the same check is content. The point is not to be
# careful with joins: it is to leave them to the one place that is tested for it.

# %%
mended = leakage.run(without)
print(f"{mended.verdict}: {mended.says}")
