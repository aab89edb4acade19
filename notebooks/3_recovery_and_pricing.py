# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Recovery and pricing: how much comes in, by when, how sure is that, and what to bid
#
# The model in force is looked at from its labels to a bid. The book is simulated, so that at the end the answers are
# held against the truth, which no model ever saw.
#
# Money is in USD, rates are shares of what is owed, time is UTC.

# %%
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import polars as pl
from IPython.display import Image, display

from features.lake import Lake
from recoup.demo_home import TRAINED_AS_OF
from recoup.notebook import ready_home, steps, table
from recoup.tables import coverage_table, portfolio_table
from serving.pricing import tape, valuation
from training import recovery, registry

ready = ready_home()
model = ready.versions["recovery"]
package, card = model.package, model.package.card
plots = registry.images(ready.home, model)

# %% [markdown]
# ## 1. What may be learnt from: loans at horizons that they have lived through
# A row is a loan, at a moment with us, at a horizon that has ended. A young loan says nothing of its third year: it
# is absent there, not zero. The table counts loans by the year of their cut-off and months lived through.

# %%
rows = recovery.rows(Lake(ready.home), "canonical", TRAINED_AS_OF)
first = rows.filter(pl.col("moment") == pl.col("cutoff"))
lived = first.select(
    pl.col("cutoff").dt.strftime("%Y").alias("cut-off in"),
    pl.format("{} months", pl.col("horizon_months_asked").cast(pl.Int64)).alias("horizon"),
    "horizon_months_asked",
).sort("horizon_months_asked")
table(
    lived.pivot(on="horizon", index="cut-off in", values="horizon_months_asked", aggregate_function="len").sort(
        "cut-off in"
    )
)

# %% [markdown]
# **How does recovery spread?** Left: a spike at nothing, a body of small payments, a thin tail. Right: where a line
# starts on the left edge is the share of loans that have paid nothing.

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 3), layout="constrained")
for months, shade in ((12.0, "tab:blue"), (36.0, "tab:orange")):
    rates = first.filter(pl.col("horizon_months_asked") == months)["target"].to_numpy()
    named = {"label": f"{months:.0f} months", "color": shade}
    axes[0].hist(rates, bins=np.linspace(0, 0.5, 60), alpha=0.6, density=True, **named)
    axes[1].plot(np.sort(rates), np.linspace(0, 1, len(rates)), **named)
    print(f"by {months:.0f} months: {(rates == 0).mean():.0%} of {len(rates):,} loans had paid nothing, "
          f"the mean is {rates.mean():.1%} of what was owed")  # fmt: skip
axes[0].set(xlabel="recovered share (to 0.5)", ylabel="density", yscale="log")
axes[1].set(xlabel="recovered share", ylabel="share of loans at or below", xlim=(0, 0.5), ylim=(0, 1))
axes[1].legend()
plt.show()

# %% [markdown]
# ## 2. The model in force, and what it has to beat
# Design and parameters were chosen on rolling origins before the test; the test is the last quarter of loans by date
# of issue. All sides stand on the same rows. To train one of your own, start from `template`.

# %%
print(f"{model.label}: design {card.parameters['design']}, {len(package.names)} inputs, {card.rows:,} rows, "
      f"facts known by {card.as_of[:10]}")  # fmt: skip
table(pl.DataFrame([{"out of time": side, **found} for side, found in card.metrics.items()]))

# %% [markdown]
# **Does it foretell the right level?** Each dot is a tenth of the test's loans by score: on the line, what was
# foretold came in.

# %%
display(Image(plots / "calibration.png"))

# %% [markdown]
# **Is the average curve right although most vintages are young?** Pale: each year of cut-off, as far as it has lived.
# The dashed line takes "nothing yet" for "nothing ever", and falls short: that is the mistake of section 1.

# %%
display(Image(plots / "curve.png"))

# %% [markdown]
# **What moves the score, and which way?** A dot is a loan; right of the middle, the input raised what is expected of
# it. Red is a high value of the input.

# %%
display(Image(plots / "shap_summary.png"))

# %% [markdown]
# **Do the 90 % intervals hold what they claim, slice by slice?** Read slices of few loans with care.

# %%
print(coverage_table(card.coverage))

# %% [markdown]
# ## 3. One loan's outlook
# Expected recovery over time with its interval, for a loan in the middle of the book and one near its top: the better
# loan is less certain in money, because it has something to lose.

# %%
outlook = package.outlook(package.reference.drop("score"))
order = np.argsort(outlook.rate)
figure, axes = plt.subplots(1, 2, figsize=(10, 3), sharey=True, layout="constrained")
for side, place in zip(axes, (order[len(order) // 2], order[int(0.97 * len(order))]), strict=True):
    months = [0.0, *outlook.horizons]
    side.fill_between(months, [0, *outlook.lower[place]], [0, *outlook.upper[place]], alpha=0.25, label="90 % interval")
    side.plot(months, [0, *outlook.curve[place]], marker="o", label="expected")
    side.set(xlabel="months ahead", title=f"expected ultimate {outlook.rate[place]:.1%}")
axes[0].set(ylabel="recovered share of what is owed")
axes[0].legend(loc="upper left")
plt.show()

# %% [markdown]
# ## 4. A price, and what to bid
# A tape on offer: cash over time, net of what each channel keeps, discounted at the required return. Loans share
# their region's luck and the market's, so that a portfolio's interval is wider than its loans' own luck would make
# it.

# %%
out = Path(tempfile.mkdtemp()) / "prices"
with steps("pricing the tape", 2) as progress:
    priced = tape.price(
        ready.home, ready.world / "tape.csv", "canonical", out, valuation.assumptions(), progress=progress
    )
print(portfolio_table(priced.portfolio))

# %% [markdown]
# **What is the chance that a bid earns the required return?** The curve falls from certain to hopeless; the price is
# where the expected value lies, and bidding it all leaves the buyer about an even chance.

# %%
display(Image(out / "bid_curve.png"))

# %% [markdown]
# **What would hurt most?** Each bar is the change of the price under a named stress (`stress.yaml`).

# %%
stressed = priced.portfolio["by_currency"][0]["stress"]
changes = pl.DataFrame(
    {
        "stress": [name.replace("_", " ") for name in stressed],
        "price (USD)": [round(found["price"]) for found in stressed.values()],
        "change": [found["price_change"] for found in stressed.values()],
    }
).sort("change")
figure, axes = plt.subplots(figsize=(8, 2.6))
bars = axes.barh(changes["stress"], changes["change"], color="tab:blue")
axes.bar_label(bars, fmt="{:+.0%}", padding=3, fontsize=8)
axes.set(xlabel="change of the price")
axes.margins(x=0.12)
plt.show()
table(changes)

# %% [markdown]
# ## 5. Against the truth
# The world knows what every loan on the tape is expected to pay in five years. The dots are tenths of the loans by
# our rate: on the line we are right on average, and the steeper they climb the better we tell good loans from bad.

# %%
prices = pl.read_parquet(priced.prices)
truth = pl.read_parquet(ready.world / "truth" / "loans.parquet")
both = prices.join(truth.select("loan_id", "expected_60", "realised_60"), on="loan_id")
tenths = (
    both.with_columns((pl.col("recovery_rate").rank("ordinal") * 10 / (pl.len() + 1)).floor().alias("tenth"))
    .group_by("tenth")
    .agg(pl.col("recovery_rate", "expected_60").mean())
    .sort("tenth")
)
figure, axes = plt.subplots(figsize=(5, 4))
top = 1.05 * max(tenths["recovery_rate"].max(), tenths["expected_60"].max())
axes.plot([0, top], [0, top], color="grey", linewidth=1, linestyle="--", label="right on average")
axes.plot(tenths["recovery_rate"], tenths["expected_60"], marker="o", label="tenths of the tape by our rate")
axes.set(
    xlabel="expected by recoup (share of what is owed)", ylabel="expected by the world", xlim=(0, top), ylim=(0, top)
)
axes.legend()
plt.show()

# %%
rank = both.select(pl.corr("recovery_rate", "expected_60", method="spearman")).item()
money = {
    "expected by recoup": both["expected_recovery"].sum(),
    "expected by the world": (both["expected_60"] * both["balance"]).sum(),
    "came in": (both["realised_60"] * both["balance"]).sum(),
}
print(f"rank correlation with the truth: {rank:.2f}")
table(pl.DataFrame({"the tape's ultimate recovery": list(money), "USD": list(money.values())}), digits=0)
