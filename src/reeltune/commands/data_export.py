"""`reeltune data export`: samples in the forms of other trainers. Imports nothing heavy before it runs."""

import argparse
import sys
from pathlib import Path

from reeltune.commands.own_tasks import add_task_files, load_task_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    from reeltune.data.export import FORMS

    parser.description = (
        "Write samples in the form of another trainer: the task's prompt, the gold answer, the media by their full "
        "paths. `datasets` is a Parquet table that Hugging Face datasets opens."
    )
    parser.add_argument("samples", help="a samples.jsonl, or toyworld:SPLIT/TASK")
    parser.add_argument("--to", required=True, choices=list(FORMS), help="the form")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the file to write")
    parser.add_argument(
        "--mode", choices=("direct", "think"), default="direct", help="like data.mode (default: direct)"
    )
    add_task_files(parser)


def run(args: argparse.Namespace) -> int:
    from reeltune.config.recipe import ToyworldConfig
    from reeltune.data.export import export
    from reeltune.data.sources import load_source

    load_task_files(args)
    pool = load_source(args.samples, ToyworldConfig())
    left_out = export(pool.samples, args.to, args.output, mode=args.mode)
    for fault in pool.lines:
        left_out["lines that are not valid samples"] += 1
        print(f"reeltune: {fault.id}: {fault.reason}", file=sys.stderr)
    for text, count in left_out.items():
        print(f"reeltune: {count} {text}: left out", file=sys.stderr)
    print(args.output)
    return 0
