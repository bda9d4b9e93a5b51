"""Captioning: the task, its scorers and its judged metrics."""

from reeltune.tasks.captioning.task import TASK

__all__ = ["TASK"]
