"""Reproducibility: does training again give the same model?

Purpose: a model that cannot be made again cannot be audited, and neither can any score of it.

Mechanism: the design and parameters on the version's card are fitted again on the rows that its lake, source,
date and seed give, by the training job's own function and without a search; the fingerprint of all trees,
curves and intervals must be equal, and so must the recorded out-of-time metrics, to the last bit.

Signs of high risk: any difference while lake and code are the same.

Strengths: exact; covers features, split, fit and packaging in one.

Limitations: costs a training; holds for this machine's libraries; when lake or code changed since, a
difference is a question rather than a fault.
"""

import numpy as np

from monitoring.validation.evidence import Evidence
from monitoring.validation.result import Result, Table, Verdict
from training import job
from training.level import levelled
from training.revision import code_revision

MOST_DIFFERENT_METRICS = 0
"""Recorded metrics that may differ."""


def run(evidence: Evidence) -> Result:
    """Judge a second training."""
    card, learner = evidence.package.card, evidence.learner
    again = levelled(job.fit(learner, np.ones(learner.rows.height, bool), card.parameters, card), card.level)
    same = again.fingerprint == evidence.package.fingerprint
    recorded = card.metrics.get(card.name, {})
    differ = [name for name, value in recorded.items() if evidence.metrics[card.name][name] != value]
    lake, code = evidence.lake == card.lake, code_revision() == card.code
    if same and len(differ) <= MOST_DIFFERENT_METRICS:
        verdict = Verdict.GREEN
    else:
        verdict = Verdict.RED if lake and code else Verdict.AMBER
    return Result(
        verdict,
        f"Trained again, the model is {'the same to the last bit' if same else 'another'}, {len(differ)} of "
        f"{len(recorded)} recorded metrics differ; the lake is {'the same' if lake else 'another'}, the code "
        f"{'the same' if code else 'another'}.",
        {"same_fingerprint": float(same), "different_metrics": len(differ), "same_lake": float(lake),
         "same_code": float(code)},
        "Train a new version on the lake and code as they are, and validate that one.",
        tables=[Table("What the version names, and what was found now.", ["", "recorded", "now"],
                      [["fingerprint", evidence.package.fingerprint, again.fingerprint],
                       ["lake", card.lake, evidence.lake], ["code", card.code, code_revision()],
                       ["rows", card.rows, learner.rows.height]])],
    )  # fmt: skip
