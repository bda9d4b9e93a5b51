"""`reeltune report RUN`. Imports nothing heavy before it runs."""

import argparse
from pathlib import Path

from reeltune.commands.view import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write RUN/report.html from the run's files as they are now: also of a run that still trains or was killed."
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def run(args: argparse.Namespace) -> int:
    from reeltune.report.run import write_run_report

    return show(write_run_report(args.run_dir), in_browser=args.open)
