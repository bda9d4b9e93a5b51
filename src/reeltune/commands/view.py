"""`reeltune view RUN`. Imports nothing heavy before it runs."""

import argparse
import webbrowser
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write RUN/rollouts.html: the sampled groups of a run with videos, rewards and answers."
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument("--step", type=int, action="append", metavar="N", help="show this step (may be repeated)")
    parser.add_argument(
        "--limit", type=int, default=64, metavar="N", help="maximum number of groups on the page (default: 64)"
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def run(args: argparse.Namespace) -> int:
    from reeltune.report.view import write_rollout_viewer

    return show(write_rollout_viewer(args.run_dir, steps=args.step, limit=args.limit), in_browser=args.open)


def show(page: Path, *, in_browser: bool) -> int:
    """Print where a page stands, and open it if asked to."""
    print(page)
    if in_browser:
        webbrowser.open(page.resolve().as_uri())
    return 0
