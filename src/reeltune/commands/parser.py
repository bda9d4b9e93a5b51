"""The parser of all commands: argparse's, which also names the nearest command or choice to a mistyped one."""

import argparse
from typing import Any

from reeltune.errors import nearest


class CommandParser(argparse.ArgumentParser):
    """Subcommands are parsed by the same class."""

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is not None and value not in action.choices:
            known = [str(each) for each in action.choices]
            raise argparse.ArgumentError(
                action, f"invalid choice: {value!r}{nearest(value, known)} (choose from {', '.join(known)})"
            )
