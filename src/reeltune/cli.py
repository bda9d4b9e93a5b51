"""The commands, thin: parse, call, turn a user's error into one message and exit code 2.

Nothing heavy is imported before a command needs it, so that `reeltune --help` answers at once.
"""

import argparse
import errno
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from reeltune import __version__
from reeltune.commands import data_check, data_import, demo, plan, report, score, select, view
from reeltune.commands import eval as evaluate
from reeltune.errors import InputError

INTERRUPTED = 130
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def main(argv: Sequence[str] | None = None) -> int:
    args = _parse(argv)
    try:
        code: int = args.run(args)
        return code
    except InputError as error:
        print(f"reeltune: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        # The reader of a pipe (`| head`) has seen enough; nothing more can be written to it, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        if error.errno not in DISK_FULL:
            raise
        print(f"reeltune: {error}: make room, then go on; what was written before is whole", file=sys.stderr)
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
    train.add_argument("--dry-run", action="store_true", help="check everything but the weights, then stop")
    train.set_defaults(run=_train)

    _add(commands, "demo", demo, "the whole story on generated videos, on a CPU")
    _add(commands, "eval", evaluate, "run a model on samples and score its answers")
    _add(commands, "score", score, "score predictions; needs no model")
    _add(commands, "report", report, "write the page of a run: reward, metrics, health, before and after")
    _add(commands, "view", view, "write the rollout viewer of a run: videos, completions, rewards, advantages")
    _add(commands, "select", select, "ask the model several times, keep the samples that can teach")
    _add(commands, "plan", plan, "TFLOPs, KV cache and memory from a config, before any weight is loaded")
    data = commands.add_parser("data", help="import annotations, look before you train").add_subparsers(
        dest="data_command", required=True, metavar="COMMAND"
    )
    _add(data, "import", data_import, "public annotation formats -> samples.jsonl")
    _add(data, "check", data_check, "contract, videos, duplicates, leaks, balance; --fix writes a fixed file")
    return parser


def _add(commands: Any, name: str, module: Any, text: str) -> None:
    """A command whose module declares its own arguments; these modules import nothing heavy at the top."""
    parser = commands.add_parser(name, help=text)
    module.add_arguments(parser)
    parser.set_defaults(run=module.run)


def _train(args: argparse.Namespace) -> int:
    from reeltune.config.recipe import load_recipe

    recipe = load_recipe(args.recipe, args.overrides)
    from reeltune.training.train import train

    if train(recipe, resume=args.resume, dry_run=args.dry_run):
        return 0
    print(f"reeltune: stopped; go on with the same command and --resume ({recipe.run.dir})", file=sys.stderr)
    return INTERRUPTED
