"""The errors a user can fix, and words for their messages. The command line prints one and exits with code 2."""

import difflib
from collections.abc import Iterable


class InputError(Exception):
    """Invalid input: a file, a recipe key, a sample, a model directory.

    The message states the rule, the value, its location (file, line, id, key) and what to do.
    """


class SampleError(InputError):
    """One sample cannot be used. Long runs quarantine it, count it and go on. The message names its id or its video."""


class VideoError(SampleError):
    """Its video cannot be used."""


class NoServers(Exception):
    """Too few of the servers that a run asks answer. What was computed is sound: it is saved, and the command ends with
    exit code 75, which says that the same command may go on later."""


def nearest(name: object, known: Iterable[str]) -> str:
    """'; did you mean ...?' when a known name is close to the given one, else nothing."""
    close = difflib.get_close_matches(str(name), list(known), n=1, cutoff=0.6)
    return f"; did you mean {close[0]!r}?" if close else ""


def shown(value: object, limit: int = 80) -> str:
    """A value for a message, cut at `limit` characters."""
    text = repr(value)
    return text if len(text) <= limit else text[: limit - 3] + "..."
