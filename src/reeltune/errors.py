"""The errors a user can fix. The command line prints them as one message and exits with code 2."""


class InputError(Exception):
    """Something the user gave is wrong: a file, a recipe key, a sample, a model directory.

    The message gives the rule, the value, where it stands (file, line, id, key) and what to do.
    """


class SampleError(InputError):
    """One sample cannot be used. Long runs quarantine it, count it and go on. The message names its id or its video."""


class VideoError(SampleError):
    """Its video cannot be used."""


class NoServers(Exception):
    """Too few of the servers that a run asks answer. What was computed is sound: it is saved, and the command ends with
    exit code 75, which says that the same command may go on later."""
