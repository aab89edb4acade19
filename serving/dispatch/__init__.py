"""Whom to reach, how and when: candidates, their law, their value, the day's plan."""
