"""The examples run as their docstrings say: real training by the command line, cut to a few steps."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.warm import reeltune

ROOT = Path(__file__).parents[2]
SHORT = (
    "rl.steps=2", "rl.groups_per_step=2", "rl.group_size=4", "rl.max_new_tokens=16", "checkpoint.every=0",
    "toyworld.train_videos=4", "eval.data=null",
)  # fmt: skip


def command(*arguments: str, code: int = 0) -> str:
    if arguments[:2] == ("-m", "reeltune"):
        done = reeltune(*arguments[2:], cwd=ROOT)
    else:
        done = subprocess.run([sys.executable, *arguments], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout if code == 0 else done.stderr


def train(folder: Path, *overrides: str, code: int = 0) -> str:
    recipe = ("recipes/toy/grpo.yaml", f"run.dir={folder / 'run'}", f"toyworld.dir={folder / 'toyworld'}")
    return command("-m", "reeltune", "train", *recipe, *SHORT, *overrides, code=code)


def last_metrics(folder: Path) -> dict[str, Any]:
    rows = [json.loads(line) for line in (folder / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if "reward" in row] == [1, 2]
    return {name: value for row in rows for name, value in row.items()}


def groups(folder: Path) -> list[dict[str, Any]]:
    files = sorted((folder / "run" / "rollouts").glob("*.jsonl"))
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def test_a_task_of_ones_own(tmp_path: Path) -> None:
    samples = command("examples/own_task.py", str(tmp_path), "6").strip()
    command("-m", "reeltune", "data", "check", samples, "--task-file", "examples/own_task.py")
    own = (f"data.train={samples}", "data.tasks=[examples/own_task.py]")
    train(tmp_path, *own)
    found = last_metrics(tmp_path)
    assert {"counting/reward", "counting/format", "counting/closeness", "counting/unparsed"} <= set(found)
    # Nothing of it stands in the package.
    assert not list((ROOT / "src" / "reeltune" / "tasks").glob("*counting*"))
    predictions = tmp_path / "predictions.jsonl"
    rows = [json.loads(line) for line in Path(samples).read_text().splitlines()]
    lines = [{"id": row["id"], "text": f"<answer>{row['target']}</answer>"} for row in rows]
    predictions.write_text("".join(json.dumps(line) + "\n" for line in lines))
    table = command("-m", "reeltune", "score", samples, str(predictions), "--task-file", "examples/own_task.py")
    assert "closeness" in table and "100.00" in table and "majority_answer" in table


def test_a_judged_task_without_a_judge_is_refused_before_anything_expensive(tmp_path: Path) -> None:
    samples = command("examples/judged_task.py", str(tmp_path), "6").strip()
    own = (f"data.train={samples}", "data.tasks=[examples/judged_task.py]")
    refused = train(tmp_path, *own, code=2)
    assert (
        "the reward open_qa.right needs a judge: set judge.kind" in refused
        and "rewards.weights.open_qa.right=0" in refused
    )
    assert not (tmp_path / "run").exists()


def test_a_judge_of_ones_own(tmp_path: Path) -> None:
    samples = command("examples/judged_task.py", str(tmp_path), "6").strip()
    own = (f"data.train={samples}", "data.tasks=[examples/judged_task.py]")
    train(tmp_path, *own, "judge.kind=examples/judged_task.py:WordJudge", f"eval.data={samples}", "eval.every=2")
    found = last_metrics(tmp_path)
    # A proxy's numbers carry its name.
    assert {"open_qa/format", "open_qa/right_words_proxy"} <= set(found)
    assert "eval/open_qa/words_proxy.right" in found
    (record,) = json.loads((tmp_path / "run" / "judge.json").read_text())
    assert record["judge"] == "words" and record["questions"] > 0


def test_scores_of_a_judged_task_of_ones_own(tmp_path: Path) -> None:
    samples = Path(command("examples/judged_task.py", str(tmp_path), "4").strip())
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    answers = [{"id": row["id"], "text": f"<answer>the {row['target']}</answer>"} for row in rows[:3]]
    predictions, scores = tmp_path / "predictions.jsonl", tmp_path / "scores.json"
    predictions.write_text("".join(json.dumps(answer) + "\n" for answer in answers))
    asked = (str(samples), str(predictions), "--task-file", "examples/judged_task.py", "--json", str(scores))
    table = command("-m", "reeltune", "score", *asked, "--judge", "examples/judged_task.py:WordJudge")
    # A missing answer is wrong; the table says what the numbers are.
    assert "words proxy (a proxy, not a judge)" in table and "75.00" in table
    found = json.loads(scores.read_text())
    assert found["open_qa"]["words_proxy.right"] == 75.0 and found["judge"]["questions"] == 3


def test_rewards_of_ones_own(tmp_path: Path) -> None:
    names = ("short", "varied", "no_repeats", "served")
    functions = ", ".join(f"{name}: examples/own_reward.py:{name}" for name in names)
    weights = "rewards.weights={temporal_grounding: {short: 0.2, varied: 0.1}}"
    train(tmp_path, f"rewards.functions={{temporal_grounding: {{{functions}}}}}", weights)
    found = last_metrics(tmp_path)
    assert {f"temporal_grounding/{name}" for name in (*names[1:], "iou", "format")} <= set(found)
    for group in groups(tmp_path):
        parts = group["components"]
        for index, text in enumerate(group["texts"]):
            row = {name: values[index] for name, values in parts.items()}
            assert row["varied"] == 1 / group["texts"].count(text) and row["served"] == float("</answer>" in text)
            wanted = (
                0.2 * (row["short"] or 0)
                + 0.1 * row["varied"]
                + sum(row[name] for name in ("format", "iou", "no_repeats", "served"))
            )
            assert abs(group["reward"][index] - wanted) < 1e-5


def test_a_wrong_signature_and_one_that_always_raises_are_told(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "def two(sample, text): return 1.0\n\ndef raises(sample, answer, text): raise KeyError('solution')\n"
    )
    asked = f"rewards.functions={{temporal_grounding: {{x: {path}:%s}}}}"
    refused = train(tmp_path, asked % "two", code=2)
    assert "takes (sample, text); write f(sample, answer, text)" in refused
    assert not (tmp_path / "run").exists()
    stopped = train(tmp_path, asked % "raises", code=2)
    assert "reward 'x' of sample 'toyworld" in stopped or "reward 'x' of sample 'train" in stopped
    assert "KeyError: 'solution'" in stopped and "rewards.max_fault_share=0.05" in stopped
    assert len((tmp_path / "run" / "reward-faults.jsonl").read_text().splitlines()) == 8
