"""How good scores are."""

import numpy as np
from scipy.stats import spearmanr
from sklearn.metrics import log_loss, mean_absolute_error, r2_score, roc_auc_score

_NEARLY = 1e-6


def recovery(realised: np.ndarray, scores: np.ndarray, balance: np.ndarray) -> dict[str, float]:
    """Measure recovery rates.

    Parameters
    ----------
    realised, scores : ndarray, shape (n,)
        Recovered and predicted share of the balance.
    balance : ndarray, shape (n,)
        Money owed.

    Returns
    -------
    dict
        ``spearman``, ``r2``, ``mae``; ``predicted_over_actual``, in money over the portfolio;
        ``top_fifth_lift``, money recovered per balance in the fifth of loans ranked highest over
        that of the whole.
    """
    constant = np.ptp(scores) < _NEARLY
    top = np.argsort(-scores, kind="stable")[: max(1, len(scores) // 5)]
    whole = (realised * balance).sum() / balance.sum()
    lift = (realised * balance)[top].sum() / balance[top].sum() / whole if whole > 0 else 1.0
    return {
        "spearman": 0.0 if constant else float(spearmanr(realised, scores).statistic),
        "r2": float(r2_score(realised, scores)),
        "mae": float(mean_absolute_error(realised, scores)),
        "predicted_over_actual": float((scores * balance).sum() / (realised * balance).sum()),
        "top_fifth_lift": 1.0 if constant else float(lift),
    }


def desk_utility(measured: dict[str, float]) -> float:
    """Return what a recovery model's metrics are worth to a bidding desk.

    The order of the loans, the variance explained and the top fifth's money count alike, each as a share
    of what is worth aiming at. An error of the whole book's level is corrected by the first real
    collections, and one quarter's level is mostly the luck of its large repayments: it counts as it is.

    Parameters
    ----------
    measured : dict
        Of `recovery`, averaged over origins.

    Examples
    --------
    >>> aim = {"spearman": 0.40, "r2": 0.06, "top_fifth_lift": 1.7, "predicted_over_actual": 1.0}
    >>> desk_utility(aim)
    1.0
    >>> round(desk_utility(aim | {"predicted_over_actual": 1.1}), 3)
    0.905
    """
    order = measured["spearman"] / 0.40
    variance = measured["r2"] / 0.06
    money = (measured["top_fifth_lift"] - 1) / 0.70
    return (order + variance + money) / 3 - abs(float(np.log(measured["predicted_over_actual"])))


def contact(reached: np.ndarray, scores: np.ndarray, weight: np.ndarray) -> dict[str, float]:
    """Measure chances of contact.

    Returns
    -------
    dict
        ``roc_auc``, ``log_loss``, ``brier``; ``predicted_over_actual`` contacts; ``calibration_gap``,
        the largest difference of mean chance and share reached over the ten deciles of the score.
    """
    clipped = np.clip(scores, _NEARLY, 1 - _NEARLY)
    deciles = np.array_split(np.argsort(scores, kind="stable"), 10)
    gaps = [abs(scores[rows].mean() - reached[rows].mean()) for rows in deciles if len(rows)]
    return {
        "roc_auc": float(roc_auc_score(reached, scores)),
        "log_loss": float(log_loss(reached, clipped)),
        "brier": float(np.mean((reached - scores) ** 2)),
        "predicted_over_actual": float(scores.sum() / reached.sum()),
        "calibration_gap": float(max(gaps)),
    }
