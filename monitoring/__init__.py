"""Is it still true? Recent inputs and scores against those that the models were trained on."""

from monitoring.alerts import Alert
from monitoring.job import monitor
from monitoring.outcome import Outcome, Watched

__all__ = ["Alert", "Outcome", "Watched", "monitor"]
