"""examples/grpo.py computes what `reeltune train` computes; examples/own_loss.py trains."""

import json
import re
from pathlib import Path

import pytest
from tests.warm import reeltune

ROOT = Path(__file__).parents[2]


def train(*words: str) -> None:
    done = reeltune("train", *words, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def settings(folder: Path) -> list[str]:
    return [
        "rl.steps=3", "rl.groups_per_step=3", "rl.group_size=6", "eval.every=0", "toyworld.train_videos=8",
        f"toyworld.dir={folder / 'toyworld'}", f"video.cache={folder / 'cache'}", f"run.dir={folder / 'run'}",
    ]  # fmt: skip


def test_the_algorithm_in_the_open_is_the_one_that_trains(tmp_path: Path) -> None:
    words = ["recipes/toy/grpo.yaml", *settings(tmp_path)]
    own = reeltune(*words, cwd=ROOT, program=ROOT / "examples" / "grpo.py")
    assert own.returncode == 0, own.stderr
    train(*words)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    found = re.findall(r"(\d+) loss (\S+) reward (\S+) grad_norm (\S+)", own.stdout)
    assert len(found) == len(rows) == 3
    for (step, loss, reward, norm), row in zip(found, rows, strict=True):
        assert int(step) == row["step"] and row["grad_norm"] > 0
        assert float(loss) == pytest.approx(row["loss"], abs=2e-6)
        assert float(reward) == pytest.approx(row["reward"], abs=2e-6)
        assert float(norm) == pytest.approx(row["grad_norm"], rel=1e-4)


def test_a_loss_of_ones_own_trains(tmp_path: Path) -> None:
    words = ["recipes/toy/grpo.yaml", *settings(tmp_path), "rl.updates_per_rollout=2", "optim.lr=0.003"]
    train(*words, "rl.loss=examples/own_loss.py:CISPO")
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == 3 and all(row["grad_norm"] > 0 for row in rows)
