"""The loop: an alert or the calendar → a challenger → its pack → a trial beside the champion → the alias moves, or not.

A turn watches, judges the challenger that is on trial by what came in since, and trains another where an alert or
the calendar asks for one. What was asked, found and decided stays in the home, a file a trial.
"""

from monitoring.loop.turn import Turned, turn

__all__ = ["Turned", "turn"]
