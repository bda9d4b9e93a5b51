"""Reeltune: reinforcement fine-tuning of video language models, with the group as the unit of work.

Importing this package imports no torch; each module imports what it needs.
"""

__version__ = "0.1.0"
