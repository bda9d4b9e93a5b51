"""The commands, thin: parse, call, turn a user's error into one message and exit code 2.

Nothing heavy is imported before a command needs it, so that `reeltune --help` answers at once.
"""

import argparse
import errno
import io
import logging
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

from reeltune import __version__
from reeltune.commands import (
    ask,
    compare,
    completion,
    config,
    data_check,
    data_export,
    data_import,
    demo,
    doctor,
    explore,
    init,
    merge,
    plan,
    push,
    recipes,
    report,
    reproduce,
    score,
    select,
    serve,
    view,
)
from reeltune.commands import eval as evaluate
from reeltune.commands.parser import CommandParser
from reeltune.errors import InputError, NoServers

INTERRUPTED, UNREAD = 130, 141
"""As shells count what ends by Ctrl-C, and by a pipe that nobody reads."""
TEMPORARY = 75
"""EX_TEMPFAIL of sysexits.h: the same command may succeed later."""
LEVELS = ("debug", "info", "warning", "error")
FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
REFUSED = {
    errno.EROFS: "the file system is read-only; write to another place (run.dir, video.cache, --dir, -o)",
    errno.EACCES: "permission denied; change the permissions, or write to another place (run.dir, video.cache, -o)",
    errno.EPERM: "not permitted; change the owner or the permissions, or use another place",
    errno.ENOTDIR: "a part of this path is a file, not a folder",
    errno.EEXIST: "a part of this path is a file, not a folder",
    errno.EISDIR: "this is a folder; a file is needed",
    errno.ENAMETOOLONG: "the name is too long for this file system; choose a shorter one",
    errno.EIO: "the disk or its connection is failing; check the system log before you continue",
    errno.ESTALE: "the file server no longer has it; remount the file system, then run the command again",
    errno.EMFILE: "too many open files; raise the limit with `ulimit -n`",
}


def main(argv: Sequence[str] | None = None) -> int:
    _open_streams()
    _never_fail_on_characters()
    args = _parse(argv)
    _set_up_logging(args)
    try:
        code: int = args.run(args)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        # The reader of a pipe (`| head`) has seen enough; nothing more can be written to it, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return UNREAD
    except KeyboardInterrupt:
        print("\nreeltune: stopped", file=sys.stderr)
        return INTERRUPTED
    except NoServers as error:
        print(f"reeltune: {error}", file=sys.stderr)
        print(
            "reeltune: finished work is saved; run the same command again to continue (train: with --resume)",
            file=sys.stderr,
        )
        return TEMPORARY
    except Exception as error:
        message = explain_failure(error)
        if message is None:
            raise
        logging.getLogger(__name__).debug("traceback:", exc_info=error)
        print(f"reeltune: {message}", file=sys.stderr)
        return 2


def explain_failure(error: BaseException) -> str | None:
    """What to tell the user; None for a defect of ours, whose traceback is worth more than a message."""
    if isinstance(error, InputError):
        return str(error)
    if isinstance(error, ImportError) and "flash" in str(error).lower():
        return (
            "model.attention=flash_attention_2 needs the package flash-attn, which is not installed or does not "
            "match this PyTorch; install it, or use model.attention=sdpa"
        )
    if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("reeltune"):
        return (
            f"the package {error.name} is not installed; pip install it "
            "(pip install reeltune installs all required packages)"
        )
    number = _errno(error)
    if number in FULL:
        return f"{error}: free some space, then run the command again; files written earlier are complete"
    name = getattr(error, "filename", None)
    if number in REFUSED:
        return f"{name or error}: {REFUSED[number]}"
    return f"{name}: {os.strerror(number)}" if number and name else None


def _errno(error: BaseException) -> int | None:
    """Also of libraries that tell the system's error in words only: safetensors, tokenizers, and what torch writes."""
    if isinstance(error, OSError):
        return error.errno
    if type(error).__name__ in ("SafetensorError", "Exception") or isinstance(error, RuntimeError):
        for number in (*FULL, errno.EIO, errno.EROFS, errno.EACCES, errno.EMFILE):
            if f"os error {number})" in str(error) or os.strerror(number) in str(error):
                return number
    return None


class _Unread:
    """Stderr, also where nobody reads it any more (`2>&1 | head`): what is told of a run is no reason to end it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        try:
            return self._stream.write(text)
        except BrokenPipeError:
            self._give_up()
            return len(text)

    def flush(self) -> None:
        try:
            self._stream.flush()
        except BrokenPipeError:
            self._give_up()

    def _give_up(self) -> None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _open_streams() -> None:
    """A stream that was closed (`2>&-`) leads nowhere, or a file of the run would get its number and what is said."""
    while (handle := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(handle)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    if sys.__stderr__ and sys.stderr is sys.__stderr__:
        sys.stderr = _Unread(sys.__stderr__)


def _never_fail_on_characters() -> None:
    """Print what the terminal's encoding lacks as an escape: a name in Greek must not end a run under LC_ALL=C."""
    for stream in (sys.stdout, sys.__stderr__, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors in ("strict", "surrogateescape"):
            stream.reconfigure(errors="backslashreplace")


def _set_up_logging(args: argparse.Namespace) -> None:
    """Our loggers' records as lines of stderr. --quiet also reaches child processes, which have no arguments."""
    level = args.log_level or ("error" if args.quiet else "warning")
    logger = logging.getLogger("reeltune")
    logger.setLevel(level.upper())
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("reeltune: %(message)s" if level != "debug" else "%(name)s: %(message)s"))
    logger.handlers = [handler]
    if args.quiet:
        os.environ["REELTUNE_QUIET"] = "1"
        os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
        os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """Overrides may stand before and after options, which argparse alone does not take."""
    parser = make_parser()
    words = sys.argv[1:] if argv is None else list(argv)
    if not words:
        parser.print_help(sys.stderr)
        parser.exit(2, "\nreeltune: give a command; `reeltune demo` shows what it does, in minutes, on a CPU\n")
    if any("\udc80" <= sign <= "\udcff" for word in words for sign in word):
        parser.error(
            f"the locale's encoding ({sys.getfilesystemencoding()}) cannot represent the arguments: set "
            "PYTHONUTF8=1, or a locale such as LC_ALL=C.UTF-8"
        )
    args, rest = parser.parse_known_args(words)
    if rest and hasattr(args, "overrides") and not any(word.startswith("-") for word in rest):
        args.overrides = [*args.overrides, *rest]
    elif rest:
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    return args


def make_parser() -> argparse.ArgumentParser:
    parser = CommandParser(prog="reeltune", description="Reinforcement fine-tuning of video language models.")
    parser.add_argument("--version", action="version", version=f"reeltune {__version__}")
    _add_talk(parser, quiet=False, level=None)
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train as a recipe says: GRPO, SFT or distillation")
    train.add_argument("recipe", type=Path, help="a YAML file, or the name of a shipped recipe such as toy/grpo")
    train.add_argument(
        "overrides",
        nargs="*",
        default=[],
        metavar="section.key=value",
        help="settings that replace those of the recipe",
    )
    train.add_argument("--resume", action="store_true", help="continue from the newest checkpoint of run.dir")
    train.add_argument(
        "--fork",
        type=Path,
        metavar="RUN",
        help="start a new run from the newest checkpoint of RUN, or from this checkpoint",
    )
    train.add_argument("--dry-run", action="store_true", help="check everything except the weights, then stop")
    _add_talk(train)
    train.set_defaults(run=_train)

    _add(commands, "demo", demo, "train and compare on generated videos, on a CPU, in minutes")
    _add(commands, "reproduce", reproduce, "reproduce a paper's table: at full size, or --small on a CPU")
    _add(commands, "init", init, "turn a folder of videos and a table into samples, a recipe and a preview page")
    _add(commands, "eval", evaluate, "run a model on samples and score its answers")
    _add(commands, "ask", ask, "ask one question about one video and draw the answer")
    _add(commands, "score", score, "score predictions; needs no model")
    _add(commands, "compare", compare, "compare two evaluations of the same samples, with confidence intervals")
    _add(commands, "explore", explore, "browse everything a model did: search, compare, follow a run live")
    _add(commands, "report", report, "write the report of a run: reward, metrics, health, before and after")
    _add(commands, "view", view, "write a page of a run's rollouts: videos, completions, rewards, advantages")
    _add(commands, "select", select, "sample each prompt several times and keep the informative samples")
    _add(commands, "serve", serve, "start a vLLM server for rollouts and check it")
    _add(commands, "merge", merge, "merge an adapter into its base model")
    _add(commands, "push", push, "upload a trained model and its card to the Hugging Face Hub")
    _add(commands, "plan", plan, "estimate memory, FLOPs and time from a config, without loading weights")
    _add(commands, "doctor", doctor, "check this machine: one table, with advice and exit code 1 if something is wrong")
    _add(commands, "recipes", recipes, "list, show or copy the recipes that come with the package")
    _add(commands, "config", config, "check a recipe and print it with its overrides and defaults")
    _add(commands, "completion", completion, "print a completion script for bash, zsh or fish")
    parser.set_defaults(parser=parser)
    data = commands.add_parser("data", help="import, check and export samples").add_subparsers(
        dest="data_command", required=True, metavar="import|export|check"
    )
    _add(data, "import", data_import, "convert public annotation formats to samples.jsonl")
    _add(
        data,
        "export",
        data_export,
        "convert samples.jsonl to the formats of TRL, ms-swift, LLaMA-Factory, verl and datasets",
    )
    _add(data, "check", data_check, "check format, videos, duplicates, leaks and balance; --fix writes a fixed file")
    return parser


def _add(commands: Any, name: str, module: Any, text: str) -> None:
    """A command whose module declares its own arguments; these modules import nothing heavy at the top."""
    parser = commands.add_parser(name, help=text)
    module.add_arguments(parser)
    _add_talk(parser)
    parser.set_defaults(run=module.run)


def _add_talk(parser: argparse.ArgumentParser, **defaults: Any) -> None:
    """Taken before and after the command's name; there, only what is given replaces what stood before."""
    group = parser.add_argument_group("verbosity")
    quiet, level = defaults.get("quiet", argparse.SUPPRESS), defaults.get("level", argparse.SUPPRESS)
    group.add_argument("--quiet", action="store_true", default=quiet, help="print errors only, no progress")
    group.add_argument(
        "--log-level", choices=LEVELS, default=level, help="level of log messages on stderr (default: warning)"
    )


def _train(args: argparse.Namespace) -> int:
    from reeltune.config.recipe import load_recipe

    recipe = load_recipe(args.recipe, args.overrides)
    from reeltune.training.train import train

    if train(recipe, resume=args.resume, fork=args.fork, dry_run=args.dry_run):
        return 0
    print(f"reeltune: stopped; continue with the same command and --resume ({recipe.run.dir})", file=sys.stderr)
    return INTERRUPTED
