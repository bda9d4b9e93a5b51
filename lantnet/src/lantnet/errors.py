"""The error that a user can fix. The command line prints its message and exits with code 2."""


class InputError(Exception):
    """Invalid input. The message states the rule, the value found, where it was found, and what to do."""
