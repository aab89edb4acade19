# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Explore a tape: what is on offer, and can the file be trusted?
#
# A seller sends a file. Before anybody names a price: can it be read, what had to be refused and why, where does the
# claim lie, and is it like anything that our model has worked?
#
# The tape is LendingClub's public loan book where that file is at hand (in `RECOUP_TEST_DATA`, or in `../shared/data`
# beside the checkout), and the simulated world's tape where it is not. Money is in the tape's currency, rates and
# shares are fractions, time is UTC.

# %%
import json
import tempfile
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl

from features import intake, mapping
from features.feeds import FEEDS
from recoup.notebook import ready_home, steps, table, tape_on_offer
from serving.diligence.fields import problems_of
from serving.diligence.job import diligence
from serving.pricing import valuation

ready = ready_home()
tape, source = tape_on_offer(ready)
print(f"{tape.name}, to be read by the mapping {source!r}")

# %% [markdown]
# ## 1. A mapping reads the file
# A source is described by YAML, not by code: how it writes its values, and one SQL expression per canonical field.
# These are the first fields of a loan, with units and the EBA template's field numbers.

# %%
layout, schema = mapping.load(source), FEEDS["loans"].SCHEMA.columns
rules = layout.feeds["loans"].columns
canonical = pl.DataFrame(
    {
        "field": list(schema),
        "is": [column.description for column in schema.values()],
        "unit": [(column.metadata or {}).get("unit") for column in schema.values()],
        "EBA": [(column.metadata or {}).get("eba") for column in schema.values()],
        "from the file": list(schema) if rules == "all" else [rules.get(name) for name in schema],
    }
)
table(canonical.head(20))

# %% [markdown]
# ## 2. Quarantine: what rejected rows say
# Public files are clean and sellers' files are not. Four faults that sellers make are planted in a copy of the
# simulated tape: a number in another country's writing, a loan sent twice, a negative balance, a default after the
# cut-off. No row is mended by guessing, and none is lost: each stays with its field and reason.

# %%
sent = pl.read_csv(ready.world / "tape.csv", infer_schema=False)
row = pl.int_range(pl.len())
spoiled = sent.with_columns(
    pl.when(row % 20 == 3).then(pl.lit("12.345,67")).otherwise("original_amount").alias("original_amount"),
    pl.when(row % 25 == 7).then(pl.format("-{}", "balance")).otherwise("balance").alias("balance"),
    pl.when(row % 40 == 9).then(pl.lit("2031-01-01")).otherwise("default_on").alias("default_on"),
)
damaged = Path(tempfile.mkdtemp()) / "damaged.csv"
pl.concat([spoiled, spoiled.head(5)]).write_csv(damaged)
(read,) = intake.read_feeds(damaged, mapping.load("canonical"), "loans")
reasons = (
    problems_of(read.rejected)
    .group_by("field", "reason")
    .agg(pl.col("file_row").n_unique().alias("rows"), pl.col("file_row").min().alias("first row"))
    .sort("rows", descending=True)
)
print(f"{read.accepted.height:,} rows accepted, {read.rejected.height:,} kept apart")
table(reasons)

# %% [markdown]
# ## 3. Due diligence
# One call examines the tape for a buyer; `recoup diligence` writes the same as a page. Its figures are plain JSON, so
# every table below can be had again from the file.

# %%
out = Path(tempfile.mkdtemp()) / "diligence"
with steps("examining the tape", 4) as progress:
    page = diligence(ready.home, tape, source, out, valuation.assumptions(), progress)
report = json.loads((out / "diligence.json").read_text())
part = report["parts"][0]
whole, currency = part["overview"], part["overview"]["currency"]
prices = pl.read_parquet(out / "prices.parquet")
table(
    pl.DataFrame(
        [
            ("rows priced", "loans", report["accepted"]),
            ("rows set aside", "loans", report["rejected"]),
            ("claim", currency, whole["claim"]),
            ("mean balance", currency, whole["mean_balance"]),
            ("median balance", currency, whole["median_balance"]),
            ("expected recovery", currency, whole["expected_recovery"]),
            ("price", currency, whole["price"]),
        ],
        schema={"of the tape": pl.String, "unit": pl.String, "figure": pl.Float64},
        orient="row",
    ),
    digits=0,
)

# %% [markdown]
# **Why were rows set aside?** A lender's whole book holds loans that are no claims in default. They are not errors,
# and are counted apart from invalid rows.

# %%
table(
    pl.DataFrame(
        report["fields"]["left_aside"], schema={"reason": pl.String, "rows": pl.Int64, "first_row": pl.Int64}
    ).rename({"first_row": "first row"})
)

# %% [markdown]
# **What is missing?** Fields of the schema that the tape fills least, and how many model inputs rest on each.

# %%
fields = pl.DataFrame(
    {
        "field": [row["field"] for row in report["fields"]["fields"]],
        "filled": [row["filled"] for row in report["fields"]["fields"]],
        "model inputs": [len(row["used"]) for row in report["fields"]["fields"]],
    }
)
used = fields.filter(pl.col("model inputs") > 0).sort("filled").head(15)
figure, axes = plt.subplots(figsize=(8, 4))
bars = axes.barh(
    [f"{name} ({count})" for name, count in used.select("field", "model inputs").iter_rows()], used["filled"]
)
axes.bar_label(bars, fmt="{:.0%}", padding=3, fontsize=8)
axes.set(xlabel="share of loans in which it is filled", xlim=(0, 1.12), title="field (model inputs that rest on it)")
axes.invert_yaxis()
plt.show()
empty = used.filter(pl.col("filled") == 0).height
print(f"{empty} of the {used.height} emptiest fields that the model uses are filled for no loan at all")

# %% [markdown]
# ## 4. Where does the claim lie, and how much of it hangs on few loans?
# Left: small debts are many, large ones make the claim. Right: the further the curve sags below the diagonal, the
# more of the claim is owed by few.

# %%
measured = part["concentration"]
figure, (left, right) = plt.subplots(1, 2, figsize=(11, 3.6))
top = prices["balance"].quantile(0.99)
left.hist(prices["balance"].clip(upper_bound=top), bins=60, color="tab:blue")
left.axvline(whole["median_balance"], color="tab:orange", label=f"median {whole['median_balance']:,.0f}")
left.set(xlabel=f"balance ({currency}; the largest 1 % stand at {top:,.0f})", ylabel="loans", title="size of debts")
left.legend()
right.plot(measured["lorenz"]["loans"], measured["lorenz"]["claim"])
right.plot([0, 1], [0, 1], color="grey", linewidth=1, linestyle="--")
right.set(xlabel="share of loans, smallest first", ylabel="share of the claim", title=f"Gini {measured['gini']:.2f}")
plt.show()
print(f"the ten largest loans owe {measured['top_10_share']:.1%} of the claim, the hundred largest "
      f"{measured['top_100_share']:.1%}")  # fmt: skip

# %% [markdown]
# **Which parts of the claim are worth more than their size?** A stratum whose price bar is longer than its claim bar
# is worth more than its share.

# %%
strata = {cut["by"]: pl.DataFrame(cut["rows"]) for cut in part["strata"]}
figure, panels = plt.subplots(1, 2, figsize=(11, 3.8), layout="constrained")
for axes, by in zip(panels, ("balance", "region"), strict=True):
    cut, places = strata[by], range(strata[by].height)
    axes.barh([place - 0.2 for place in places], cut["claim_share"], 0.4, label="share of the claim", color="silver")
    share_of_price = cut["price"] / cut["price"].sum()
    axes.barh([place + 0.2 for place in places], share_of_price, 0.4, label="share of the price", color="tab:blue")
    axes.set(yticks=list(places), yticklabels=cut["stratum"], xlabel="share", title=by)
    axes.invert_yaxis()
panels[0].legend()
plt.show()
rates = ["recovery_rate", "recovery_rate_lower", "recovery_rate_upper", "price_share"]
cut = strata["balance"].select("stratum", "loans", pl.col("claim").round().cast(pl.Int64), *rates)
table(cut.rename({"claim": f"claim ({currency})"} | {name: name.replace("_", " ") for name in rates}))

# %% [markdown]
# ## 5. Is it like our own book?
# A model may be asked only about what resembles its teachers. The index (PSI) says how far each input has moved: up
# to 0.1 alike, above 0.25 unlike. The AUC says whether a classifier can tell this tape from our book at all: 0.5 if
# not, 1 if always.

# %%
told = report["comparison"]
moved = pl.DataFrame(told["inputs"], infer_schema_length=None).drop_nulls("psi").sort("psi", descending=True).head(12)
figure, axes = plt.subplots(figsize=(8, 3.8))
colours = ["tab:red" if index > 0.25 else "tab:orange" if index > 0.1 else "tab:blue" for index in moved["psi"]]
axes.barh(moved["about"], moved["psi"], color=colours)
axes.axvline(0.25, color="grey", linestyle="--", linewidth=1)
axes.set(
    xscale="log",
    xlabel="population stability index of the tape against our book (logarithmic)",
    title=f"told apart with AUC {told['auc']:.2f}",
)
axes.invert_yaxis()
plt.show()

# %% [markdown]
# ## 6. What a buyer must know first
# The findings, warnings before notes. Where the tape is unlike our book, the figures above that rest on the model's
# price are to be read with that in mind: train on a book that is like it before bidding.

# %%
table(pl.DataFrame(report["findings"]).select("weight", "section", "text"))
