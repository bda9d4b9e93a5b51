"""`reeltune data check`: look before you train.

Importing this module imports nothing heavy: the command line reads its arguments at every start.
"""

import argparse
from pathlib import Path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Check samples: the contract, videos, duplicates, leaks, balance, gold answers. Exit code 0: no error, "
        "or a fixed copy was written; 1: errors found; 2: the file cannot be read."
    )
    parser.add_argument("samples", type=Path, help="samples.jsonl")
    parser.add_argument("--fix", type=Path, metavar="OUT", help="write a fixed copy, and OUT.fixes.txt")
    parser.add_argument("--decode", action="store_true", help="open every video; compare durations")
    parser.add_argument("--against", type=Path, metavar="SAMPLES", help="name what stands in this file too: leaks")
    parser.add_argument("--picture", type=Path, metavar="FILE.svg", help="draw spans, durations and answers")
    parser.add_argument(
        "--task-file", type=Path, action="append", default=[], metavar="FILE.py", help="a task of your own"
    )


def run(args: argparse.Namespace) -> int:
    from reeltune.data.findings import check_samples
    from reeltune.data.fix import fix_samples
    from reeltune.data.overview import overview_svg, overview_text
    from reeltune.files import write_text
    from reeltune.tasks import load_task_file

    for path in args.task_file:
        load_task_file(path)
    report = check_samples(args.samples, decode=args.decode, against=args.against)
    print(report.text())
    if report.samples:
        print(overview_text(report.samples))
    if args.picture and report.samples:
        write_text(args.picture, overview_svg(report.samples))
        print(f"picture: {args.picture}")
    if not args.fix:
        return 1 if report.errors else 0
    print(fix_samples(args.samples, args.fix).text(args.fix))
    return 0
