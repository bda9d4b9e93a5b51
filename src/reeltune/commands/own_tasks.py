"""`--task-file`: tasks of your own, in every command that reads samples."""

import argparse


def add_task_files(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--task-file",
        action="append",
        default=[],
        metavar="FILE.py",
        help="a Python file with your own task, or module:object",
    )


def load_task_files(args: argparse.Namespace) -> None:
    from reeltune.tasks import load_task_file

    for path in args.task_file:
        load_task_file(path)
