"""The model-risk pack: a library of checks over one body of evidence, and the document that they make."""

from monitoring.validation.job import validate

__all__ = ["validate"]
