"""The small version for real: two trainings of one step each, measured, kept, and judged."""

import json
from pathlib import Path

import pytest
import yaml

from reeltune.cli import main

SPEC = {
    "paper": "A paper",
    "claims": "More is more.",
    "published": {},
    "whole": {"hardware": "none", "needs": {}, "stages": [], "columns": []},
    "small": {
        "recipe": "toy/grpo",
        "settings": [
            "eval.every=0", "toyworld.train_videos=4", "toyworld.held_out_videos=4", "rl.steps=1", "sft.steps=1",
            "rl.groups_per_step=2", "rl.group_size=2", "sft.samples_per_step=2", "rl.max_new_tokens=12",
            "eval.max_new_tokens=12",
        ],
        "runs": {"sft": {"recipe": "toy/sft"}, "more": {"recipe": "toy/grpo", "settings": ["model.path={sft}"]}},
        "measures": {
            "grounding": {"samples": "toyworld:held_out/temporal_grounding/visible", "metric": "miou", "trained": True},
            "choice": {"samples": "toyworld:held_out/multiple_choice", "metric": "accuracy"},
        },
        "claims": [
            {"says": "never", "better": "more", "than": "base", "measures": ["grounding"], "points": 101},
            {"says": "always", "better": "more", "than": "base", "measures": ["grounding", "choice"], "points": -101},
        ],
    },
}  # fmt: skip


def test_trained_measured_judged_and_taken_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "reproduce.yaml"
    path.write_text(yaml.safe_dump(SPEC, sort_keys=False))
    words = ["reproduce", str(path), "--small", "--seeds", "0", "--dir", str(tmp_path / "out")]
    assert main(words) == 0
    told = capsys.readouterr().out
    assert "| never | at least +101 |" in told and "**MISS**" in told and "| always |" in told
    assert "*whole_video*" in told and "simulation" in told
    assert (tmp_path / "out" / "evidence.md").read_text().strip() in told
    kept = json.loads((tmp_path / "out" / "seed-0" / "more" / "measured.json").read_text())
    assert len(kept["samples"]["grounding"]) == 4 and set(kept["trivial"]["whole_video"]) == {"grounding"}
    config = yaml.safe_load((tmp_path / "out" / "seed-0" / "more" / "config.yaml").read_text())
    assert config["model"]["path"].endswith("seed-0/sft/checkpoints/step-000001/model")

    monkeypatch.setattr("reeltune.evidence.small.train", lambda *_, **__: pytest.fail("trained again"))
    monkeypatch.setattr("reeltune.evidence.small.measure_all", lambda *_, **__: pytest.fail("measured again"))
    assert main(words) == 0
    assert capsys.readouterr().out == told
    assert main([*words, "--set", "optim.lr=1e-5"]) == 2
    assert "holds results of other settings" in capsys.readouterr().err
