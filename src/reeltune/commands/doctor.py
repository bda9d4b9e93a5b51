"""`reeltune doctor`: what this machine can do, as one table; exit code 1 with advice where something is wrong."""

import argparse
from dataclasses import asdict
from pathlib import Path

SIGNS = {True: "ok", False: "FAIL", None: "-"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the findings to FILE")


def run(args: argparse.Namespace) -> int:
    from reeltune.doctor.checks import examine
    from reeltune.files import write_json

    findings = []
    for each in examine():
        findings.append(each)
        print(f"{SIGNS[each.ok]:<5} {each.what:<58} {each.seen}", flush=True)
    failed = [each for each in findings if each.ok is False]
    print()
    for each in failed:
        print(f"{each.what}: {each.advice}")
    print(f"{len(failed)} of {len(findings)} failed" if failed else "all is well")
    if args.json:
        write_json(args.json, {"findings": [asdict(each) for each in findings]})
    return 1 if failed else 0
