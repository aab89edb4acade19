"""Letters to the person whom a score is about: reasons, and what would change them, in plain words."""

from serving.letters.letter import write

__all__ = ["write"]
