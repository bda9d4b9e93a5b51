import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from reeltune.report.answers import evenly
from reeltune.report.run import write_run_report
from reeltune.tasks import get_task, load_samples
from reeltune.toyworld.generate import generate
from reeltune.training.journal import Journal


def test_a_caption_run_shows_structures_before_and_after(tmp_path: Path, check_page: Callable[[str], Any]) -> None:
    """Twelve of fifteen held-out videos; the gold structure has no missed part, an empty one only missed ones."""
    held_out = generate(tmp_path / "held_out", videos=15, split="held_out", tasks=["captioning"])
    samples, task = load_samples(held_out), get_task("captioning")
    run = tmp_path / "run"
    journal = Journal(run, resume_step=None)
    journal.answers(0, [{"id": s.id, "text": "<answer>A dog & <b>.</answer>"} for s in samples])
    journal.answers(5, [{"id": s.id, "text": task.gold(s, "structured")} for s in samples])
    config = {
        "method": "grpo", "model": {"path": "m"}, "data": {"train": str(held_out), "mode": "structured"},
        "eval": {"data": str(held_out)},
    }  # fmt: skip
    (run / "config.yaml").write_text(yaml.safe_dump(config))
    html = write_run_report(run).read_text(encoding="utf-8")
    check_page(html)
    section = html.partition("Before and after")[2]
    assert section.count("<b>step 0</b>") == section.count("<b>step 5</b>") == 12
    assert "A dog &amp; &lt;b&gt;." in section
    for card in section.split("<article")[1:]:
        before, after = card.split("<b>step 5</b>")
        assert 'class="missed"' in before and 'class="matched"' not in before
        assert 'class="missed"' not in after and 'class="extra"' not in after and 'class="matched"' in after
    rows = [json.loads(line) for line in (run / "answers" / "step-000005.jsonl").read_text().splitlines()]
    assert [row["id"] for row in rows] == [s.id for s in samples]


def test_a_resumed_run_forgets_later_answers(tmp_path: Path) -> None:
    journal = Journal(tmp_path, resume_step=None)
    for step in (0, 5, 10):
        journal.answers(step, [{"id": "a", "text": "x"}])
    Journal(tmp_path, resume_step=5)
    assert sorted(path.name for path in (tmp_path / "answers").iterdir()) == ["step-000000.jsonl", "step-000005.jsonl"]


def test_evenly() -> None:
    numbers: list[Any] = list(range(30))
    assert evenly(numbers, 3) == [0, 10, 20]
    assert evenly(numbers[:2], 3) == [0, 1]
