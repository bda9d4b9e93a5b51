"""`reeltune report RUN`. Imports nothing heavy before it runs."""

import argparse
from pathlib import Path

from reeltune.commands.view import show


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Write RUN/report.html from the current files of the run, which may still be training or may have been killed."
    )
    parser.add_argument("run_dir", type=Path, metavar="RUN", help="a run directory")
    parser.add_argument(
        "--export",
        type=Path,
        metavar="DIR",
        help="write the explorer's pages as one file, DIR/index.html, which needs no server",
    )
    parser.add_argument(
        "--media-root",
        type=Path,
        action="append",
        default=[],
        metavar="DIR",
        help="with --export: folder to search for media that have moved",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")


def run(args: argparse.Namespace) -> int:
    if args.export:
        from reeltune.explorer.export import write_export

        return show(write_export(args.run_dir, args.export, media_roots=args.media_root), in_browser=args.open)
    from reeltune.report.run import write_run_report

    return show(write_run_report(args.run_dir), in_browser=args.open)
