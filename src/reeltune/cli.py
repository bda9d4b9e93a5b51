"""The commands, thin: parse, call, turn a user's error into one message and exit code 2.

Nothing heavy is imported before a command needs it, so that `reeltune --help` answers at once.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from reeltune import __version__
from reeltune.errors import InputError

INTERRUPTED = 130


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse(argv)
    try:
        code: int = args.run(args)
        return code
    except InputError as error:
        print(f"reeltune: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nreeltune: stopped", file=sys.stderr)
        return INTERRUPTED


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Overrides may stand before and after options, which argparse alone does not take."""
    parser = _parser()
    args, rest = parser.parse_known_args(argv)
    if rest and hasattr(args, "overrides") and not any(word.startswith("-") for word in rest):
        args.overrides = [*args.overrides, *rest]
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return args


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="reeltune", description="Reinforcement fine-tuning of video language models.")
    parser.add_argument("--version", action="version", version=f"reeltune {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="run a recipe: method grpo or sft")
    train.add_argument("recipe", type=Path)
    train.add_argument("overrides", nargs="*", metavar="section.key=value")
    train.add_argument("--resume", action="store_true", help="go on from the newest checkpoint of run.dir")
    train.set_defaults(run=_train)
    return parser


def _train(args: argparse.Namespace) -> int:
    from reeltune.config import load_recipe

    recipe = load_recipe(args.recipe, args.overrides)
    from reeltune.training.launch import train

    if train(recipe, resume=args.resume):
        return 0
    print(f"reeltune: stopped; go on with the same command and --resume ({recipe.run.dir})", file=sys.stderr)
    return INTERRUPTED
