"""Candidate designs of a model, among which `training.tuning` chooses.

Each gives one sum of oblivious trees, so that its scores can be explained exactly. A hurdle model is a
product of two sums, and stands among the challengers (docs/adr/0010).
"""

from training.designs.blend import BLEND
from training.designs.capped import CAPPED
from training.designs.direct import DIRECT
from training.designs.part import Design, Part
from training.designs.quantiles import QUANTILES
from training.designs.uncertainty import UNCERTAINTY

DESIGNS = {"blend": BLEND, "capped": CAPPED, "direct": DIRECT, "quantiles": QUANTILES, "uncertainty": UNCERTAINTY}

__all__ = ["DESIGNS", "Design", "Part"]
