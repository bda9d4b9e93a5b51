"""A rollout engine of one's own, from a file: what it is asked for, in which order, and what it may see."""

import json
from typing import Any

from reeltune.cli import main

ENGINE = '''
"""The hf engine, writing down every call."""

import json
from pathlib import Path

from reeltune.rollout.hf import HFEngine

LOG = Path(__file__).with_suffix(".jsonl")


def note(**row):
    with LOG.open("a") as file:
        file.write(json.dumps(row) + "\\\\n")


class Noting(HFEngine):
    def start(self):
        note(call="start")

    def sync(self, weights, version):
        super().sync(weights, version)
        note(call="sync", version=version, names=len(dict(weights())))

    def generate(self, requests, group_size, params, *, keep_graph=False):
        found = super().generate(requests, group_size, params, keep_graph=keep_graph)
        first = requests[0].prompt
        note(call="generate", groups=len(requests), G=group_size, banned=len(params.banned), text=first.text,
             tokens=len(first), versions=sorted({each.version for each in found}))
        return found

    def close(self):
        note(call="close")


def make(policy, recipe):
    return Noting(policy, token_budget=recipe.packing.rollout_tokens)
'''.replace("\\\\n", "\\n")


def test_the_engine_of_a_file_samples_and_knows_the_version_of_its_weights(workshop: Any) -> None:
    engine = workshop.folder / "my_engine.py"
    engine.write_text(ENGINE)
    words = [f"rollout.engine={engine}:make", "rl.steps=2", "eval.every=0"]
    assert main(workshop.command("run", *words)[3:]) == 0
    assert main(workshop.command("plain", "rl.steps=2", "eval.every=0")[3:]) == 0
    assert workshop.metrics("run") == workshop.metrics("plain")
    rows = [json.loads(line) for line in engine.with_suffix(".jsonl").read_text().splitlines()]
    assert [row["call"] for row in rows] == ["start", "sync", "generate", "sync", "generate", "sync", "close"]
    assert [row["version"] for row in rows if row["call"] == "sync"] == [0, 1, 2]
    assert [row["versions"] for row in rows if row["call"] == "generate"] == [[0], [1]]
    for row in rows:
        if row["call"] == "generate":
            # The text before its placeholder is expanded: one of them, and many in the tokens.
            assert row["text"].count("<|video_pad|>") == 1 and row["tokens"] > 20
            assert row["banned"] > 0 and (row["groups"], row["G"]) == (4, 4)


def test_an_unknown_engine_is_named(workshop: Any, capsys: Any) -> None:
    assert main(workshop.command("run", "rollout.engine=vlm")[3:]) == 2
    assert "'vlm' is not a known rollout engine" in capsys.readouterr().err
