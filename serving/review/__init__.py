"""One page for a reviewer: a decision, all that it rests on, and whether it can be made again.

``page`` makes it, and loads MLflow for that; ``operation`` serves it, and leaves that to another process.
"""
