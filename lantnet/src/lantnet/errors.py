"""The one error a user can fix. The command line prints it as one message and exits with code 2."""


class InputError(Exception):
    """Something given is wrong. The message gives the rule, the value found, where, and what to do."""
