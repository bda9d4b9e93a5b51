from typing import Any

from tests.workshop_judge import JUDGE, JUDGED_TASK


def test_the_judge_is_asked_once_for_a_batch_of_samples(bench: Any) -> None:
    """Ten samples in batches of five, four answers each."""
    for name in ("vowels", "lucky"):
        (bench.folder / f"{name}.py").write_text(JUDGED_TASK.format(name=name))
    (bench.folder / "judge.py").write_text(JUDGE)
    notes = bench.folder / "notes"
    own = [f"judge.kind={bench.folder / 'judge.py'}:Noting", f"judge.options={{notes: {notes}}}", "select.batch_size=5"]
    assert bench.select("--min-std", "0.001", "--min-level", "0", *own) == 0
    assert notes.read_text().split() == ["20", "20"]
    rows = bench.rows("out", "stats.jsonl")
    assert len(rows) == 10 and len({score for row in rows for score in row["scores"]}) > 2
