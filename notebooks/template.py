# ---
# jupyter:
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Template: from frame to registered candidate
#
# Copy this file, say what you ask, change the task, and run it from top to bottom: twenty lines, and none of them
# defines anything.
#
# **Question.** *What should become better, for whom, and by how much to be worth it?*

# %%
from dataclasses import replace

import polars as pl

from features import home as homes
from features.lake import Lake
from recoup.notebook import steps, table
from training import recovery, registry
from training.train import train

home = homes.current()
payments = Lake(home).scan("payments")
as_of = payments.select(pl.col("known_at").max()).collect().item()

# %% [markdown]
# ## The task
# The house's own, and what you would do otherwise: rows, inputs (a service of `features/repository.py`), designs,
# ranges of the search.

# %%
search = recovery.TASK.search | {"iterations": (80, 120)}
task = replace(recovery.TASK, designs=("direct",), search=search, most_rows=20_000)

# %% [markdown]
# ## The frame
# Labelled rows: how many, and the mean share recovered, by months ahead. *Look at them before you fit anything.*

# %%
rows = task.rows(Lake(home), "canonical", as_of)
table(rows.group_by("horizon_months_asked").agg(pl.len(), pl.col("target").mean()).sort("horizon_months_asked"))

# %% [markdown]
# ## The candidate
# Tuned on what followed the fit, tested on the last quarter, measured beside baselines, registered with its evidence.
# One trial shows the way; a dozen are the house's.

# %%
with steps("training", 8) as progress:
    trained, candidate = train(task, home, source="canonical", as_of=as_of, trials=1, progress=progress)
table(pl.DataFrame([{"out of time": side, **found} for side, found in trained.metrics.items()]))

# %% [markdown]
# ## The next step
# It answers beside the model in force where a service asks a challenger. In force it comes by `recoup validate` and
# `recoup promote`, on a green pack or on somebody's word.

# %%
registry.promote(home, candidate.name, candidate.version, alias="challenger").label

# %% [markdown]
# **Answer.** *What was found, how sure it is, and what would change your mind.*
