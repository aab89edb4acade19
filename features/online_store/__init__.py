"""The online store: one packed value per entity and feature view, written and read whole columns at a time."""
