import json
from typing import Any

from tests.workshop_judge import JUDGE, JUDGED_TASK


def test_the_judge_is_asked_once_a_step(workshop: Any) -> None:
    """Four groups of four, three steps; an evaluation of eight samples before, at and after them is asked apart."""
    (workshop.folder / "vowels.py").write_text(JUDGED_TASK.format(name="vowels"))
    (workshop.folder / "judge.py").write_text(JUDGE)
    notes = workshop.folder / "notes"
    own = (f"judge.kind={workshop.folder / 'judge.py'}:Noting", f"judge.options={{notes: {notes}}}")
    workshop.train("run", *own, "rl.steps=3", "checkpoint.every=0", "eval.every=0")
    assert notes.read_text().split() == ["16", "16", "16"]
    for path in sorted((workshop.folder / "run" / "rollouts").iterdir()):  # what was said stands beside the reward
        for row in map(json.loads, path.read_text().splitlines()):
            assert [len(each) for each in row["verdicts"]] == [1] * 4
            said = [each[0] for each in row["verdicts"]]
            assert [each["statement"] for each in said] == row["texts"]
            assert [each["score"] / 5 for each in said] == row["components"]["liked"]
    notes.unlink()
    workshop.train("evaluated", *own, "rl.steps=3", "checkpoint.every=0", "eval.every=3")
    assert [int(count) for count in notes.read_text().split()] == [8, 16, 16, 16, 8]
    rows = workshop.metrics("evaluated")
    assert {"vowels/liked", "unjudged"} <= set(rows[1])
    assert "eval/vowels/judged.liked" in rows[-1] and rows[-1]["eval/vowels/judged.unanswered"] == 0
    (record,) = json.loads((workshop.folder / "evaluated" / "judge.json").read_text())
    assert record["questions"] == 64


def test_gold_completions_are_judged_in_the_same_round(workshop: Any) -> None:
    (workshop.folder / "vowels.py").write_text(JUDGED_TASK.format(name="vowels"))
    (workshop.folder / "judge.py").write_text(JUDGE)
    notes = workshop.folder / "notes"
    own = (f"judge.kind={workshop.folder / 'judge.py'}:Noting", f"judge.options={{notes: {notes}}}")
    workshop.train("run", *own, "rl.gold_in_group=always", "rl.steps=2", "checkpoint.every=0", "eval.every=0")
    assert notes.read_text().split() == ["20", "20"], "16 sampled completions and 4 gold ones a step"
    assert [row["groups_with_gold"] for row in workshop.metrics("run")] == [4, 4]
