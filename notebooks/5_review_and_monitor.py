# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Review and monitor: from a decision to its evidence, and from a week's rows to an alert
#
# A reviewer holds a decision id and asks: what did this rest on, can it be made again, and was the model fit to be
# used? Then time goes by, and somebody has to notice when the answer is no longer yes.
#
# Money is in USD, rates and chances are fractions, time is UTC.

# %%
import logging
import shutil
import tempfile
from datetime import UTC, datetime, time
from pathlib import Path

import matplotlib.pyplot as plt
import polars as pl
from IPython.display import SVG, Image, display

from features.errors import RecoupError
from features.home import Home
from features.lake import Lake
from monitoring import monitor, picture
from monitoring.validation.checks import CHECKS, about
from monitoring.validation.evidence import gather
from monitoring.validation.result import Verdict
from recoup.client import Dispatch
from recoup.demo_home import UNTIL
from recoup.notebook import ready_home, steps, table
from serving import server
from serving.explain import waterfall
from serving.journal import Journal
from serving.replay import rebuild
from serving.review.page import review
from training import registry

# alerts go to the log, too; here they are read as tables
logging.getLogger("recoup.alerts").addHandler(logging.NullHandler())
ready = ready_home()
model = ready.versions["contact"]

# %% [markdown]
# ## 1. A decision
# The dispatch service is asked how likely a call is to reach three debtors, as a dialler would ask it. Each answer is
# in the journal before it leaves; its decision id is all that a reviewer needs.

# %%
moment = datetime.combine(UNTIL, time(23, 59, 59), UTC)
loans = Lake(ready.home).scan("loans").select(pl.col("loan_id").unique().sort()).head(3).collect()["loan_id"]
with server.running(ready.home, ready.bentos["contact"], server.free_port()) as url, Dispatch(url) as dispatch:
    answered = [dispatch.chance(loan_id, "call", "mobile", moment) for loan_id in loans]
    page = dispatch.review(answered[0].decision_id)
shown = {"decision_id", "loan_id", "model_version", "channel", "chance"}
print(f"a reviewer's page of the first is served too: {len(page) / 1000:.0f} kB of HTML, with nothing from elsewhere")
table(pl.DataFrame([answer.model_dump(include=shown) for answer in answered]))

# %% [markdown]
# ## 2. What did it rest on?
# The same as a table: each input with its meaning, its mart and feeds, since when its value has stood, and how much
# it moved the chance. Nothing here says who the debtor is.

# %%
decision = answered[0].decision_id
evidence = review(ready.home, decision)
inputs = pl.DataFrame(
    [
        {
            "input": row["about"],
            "value": f"{row['value']}",
            "unit": row["unit"],
            "mart": row["view"],
            "feeds": ", ".join(row["feeds"]),
            "known since": row["known_at"][:10],
            "moved the chance by": row["contribution"],
        }
        for row in evidence["inputs"][:10]
    ]
)
table(inputs, digits=4)

# %% [markdown]
# **Why this chance?** From what the average attempt has to what this one has: bars to the right raised it, to the left
# lowered it.

# %%
record = Journal(ready.home).find(decision)
display(Image(waterfall(record, model.package, ready.home.reports / "explain" / f"{decision}.png")))

# %% [markdown]
# **Can it be made again?** From the journal and the registered model alone, to the last bit.

# %%
print(rebuild(ready.home, decision))

# %% [markdown]
# ## 3. Was the model fit to be used?
# `recoup validate` runs every check on all rows, with challengers, and keeps the pack with the version; that takes
# some minutes. Here is a first look: all but three slow checks, on a sample of the rows. The world is simulated, so
# that even the concept can be held against the truth.

# %%
slow = ("stability", "benchmark", "reproducibility")
light = [check for name, check in CHECKS.items() if name not in slow]
with steps("a sample of rows, fitted as before the test", 3) as progress:
    sample = gather(ready.home, model, ready.world / "truth", progress, most_rows=8_000, challengers=False)
results = {}
with steps("checks", len(light)) as progress:
    for check in light:
        progress(about(check).question)
        results[about(check).title] = check.run(sample)
lights = [{"check": title, "light": f"{found.verdict}", "says": found.says} for title, found in results.items()]
table(pl.DataFrame(lights))

# %% [markdown]
# **Which part of that is to be read twice?** The plot of the gravest check, with what it shows.

# %%
drawn = [found for found in results.values() if found.plots]
gravest = max(drawn, key=lambda found: list(Verdict).index(found.verdict))
print(gravest.plots[0].says)
SVG(gravest.plots[0].svg)

# %% [markdown]
# **May it be put in force?** Only a complete, green pack of its own lets a version in; otherwise somebody signs, on
# record.

# %%
try:
    print(f"{registry.promote(ready.home, model.name, model.version).label} is in force on its own pack")
except RecoupError as error:
    print(error)

# %% [markdown]
# ## 4. Time goes by
# Both models are watched chunk by chunk, months of loans and weeks of attempts: inputs, scores, missing values and
# rows that came are compared with those that the model learnt from, and what chance does is learnt from the
# reference. The map shows columns by chunks: blue lies near the reference, yellow at the threshold, red beyond; a dot
# is an alert.

# %%
with steps("watching both models", 3) as progress:
    quiet = monitor(ready.home, ready.home.reports / "monitor", progress=progress)
figure = picture.overview(quiet.models)
display(figure)

# %% [markdown]
# The simulated world does not change, so that little should stand here: a model a line, then what alerts are open.

# %%
print(quiet.summary())

# %% [markdown]
# **Were the scores as good as they promised?** The line is what the scores let us expect of each week's calls before
# any outcome is known, the dots are what came. Where they part, the estimate was wrong.

# %%
measured = quiet.models["contact"].performance
reached = [one for one in measured if one.metric == measured[0].metric]
display(SVG(picture.estimates(reached)))
error = pl.Series([one.error for one in reached if one.realised is not None])
print(
    f"{reached[0].metric}: the estimate was off by {error.abs().mean():.3f} on average, {error.mean():+.3f} to one side"
)

# %% [markdown]
# ## 5. Something breaks, and is noticed
# The portfolio on offer is bought, and its file comes with every amount in cents. Each row is valid, so that intake
# lets it in; only its distribution gives it away. This is tried on a copy of the home, and the last month is watched
# again.

# %%
copy = Home(Path(tempfile.mkdtemp()) / "home")
apart = shutil.ignore_patterns("demo", "bentoml", "monitoring", "releases", "reports")
shutil.copytree(ready.home.root, copy.root, ignore=apart)
sent = pl.read_csv(ready.world / "tape.csv", infer_schema=False)
amounts = ["original_amount", "balance", "principal_balance", "interest_balance", "fee_balance", "instalment"]
cents = sent.with_columns(pl.format("{}00", pl.col(name).str.replace(r"\..*", "")).alias(name) for name in amounts)
path = copy.root / "in_cents.csv"
cents.write_csv(path)
taken = Lake(copy).ingest(path, "canonical", "loans")
with steps("watching both models", 3) as progress:
    broken = monitor(copy, copy.reports / "monitor", since=moment.replace(day=1, hour=0, minute=0, second=0),
                     progress=progress)  # fmt: skip
print(f"{taken.accepted['loans']:,} loans taken in, {taken.rejected['loans']:,} rejected")
known = {alert.key for alert in quiet.alerts}
fields = ("level", "state", "column", "test", "ratio", "owner", "action")
news = [{name: getattr(alert, name) for name in fields} for alert in broken.alerts if alert.key not in known]
table(
    pl.DataFrame(news, schema=fields).rename({"ratio": "times its threshold", "action": "what to do"}).head(8), digits=1
)

# %% [markdown]
# **How plain is it?** How far the last month's loans lie from those that the model learnt from, in thresholds: beyond
# the dashed line it matters.

# %%
last = broken.models["recovery"].chunks[-1]
distances = [{"column": found.column, "times": found.value / found.threshold} for found in last.alerts]
moved = (
    pl.DataFrame(distances, schema=["column", "times"]).group_by("column").max().sort("times", descending=True).head(12)
)
figure, axes = plt.subplots(figsize=(8, 3.2))
axes.barh(moved["column"], moved["times"], color="tab:red")
axes.axvline(1, color="grey", linestyle="--", linewidth=1)
axes.set(xlabel=f"distance from the reference in thresholds, {last.start:%B %Y}", xscale="log")
axes.invert_yaxis()
plt.show()

# %% [markdown]
# The alert names an owner and what to do: check the unit and the mapping of the feed. It is folded while it lasts,
# and closed when a chunk is clean again. A model is retrained only where the change is real.
