"""One page for a reviewer: a decision, all that it rests on, and whether it can be made again."""

from serving.review.page import render, review

__all__ = ["render", "review"]
