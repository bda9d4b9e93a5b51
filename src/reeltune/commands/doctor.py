"""`reeltune doctor`: what this machine can do, as one table; exit code 1 with advice where something is wrong."""

import argparse
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from reeltune.doctor.checks import Finding

SIGNS = {True: "ok", False: "FAIL", None: "-"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "Without arguments: check this machine. `doctor parity MODEL --server URL`: check that a server started "
        "with MODEL reads the same prompts and computes the same log-probs as the learner, for text and video."
    )
    parser.add_argument("what", nargs="?", choices=("parity",), help="parity: compare a server with the learner")
    parser.add_argument("model", nargs="?", help="with parity: a Hugging Face directory, or toyworld:base")
    parser.add_argument("--server", metavar="URL", help="with parity: http://HOST:PORT of `reeltune serve`")
    parser.add_argument(
        "--frames", type=Path, metavar="DIR", help="with parity: send frames through a folder that both sides can see"
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings to FILE as JSON")


def run(args: argparse.Namespace) -> int:
    from reeltune.files import write_json

    findings = []
    for each in _parity(args) if args.what else _machine(args):
        findings.append(each)
        print(f"{SIGNS[each.ok]:<5} {each.what:<66} {each.seen}", flush=True)
    failed = [each for each in findings if each.ok is False]
    print()
    for each in failed:
        print(f"{each.what}: {each.advice}")
    print(f"{len(failed)} of {len(findings)} failed" if failed else "all checks passed")
    if args.json:
        write_json(args.json, {"findings": [asdict(each) for each in findings]})
    return 1 if failed else 0


def _machine(args: argparse.Namespace) -> "Iterable[Finding]":
    from reeltune.doctor.checks import examine
    from reeltune.errors import InputError

    if args.server or args.frames:
        raise InputError("--server and --frames go with `reeltune doctor parity MODEL`")
    return examine()


def _parity(args: argparse.Namespace) -> "Iterable[Finding]":
    from reeltune.config.recipe import ToyworldConfig
    from reeltune.data.sources import resolve_model
    from reeltune.doctor.parity import parity
    from reeltune.errors import InputError
    from reeltune.models.policy import load_policy
    from reeltune.video.cache import FrameCache

    if not args.model or not args.server:
        raise InputError("doctor parity needs a model and a server: reeltune doctor parity MODEL --server URL")
    policy = load_policy(resolve_model(args.model, ToyworldConfig()))
    return parity(policy, args.server, frames=FrameCache(args.frames, 2**32) if args.frames else None)
