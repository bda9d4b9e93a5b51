"""Gold answers that look wrong: found where they are, and only there."""

import json
from pathlib import Path
from typing import Any

import pytest

from reeltune.cli import main
from reeltune.errors import InputError
from reeltune.evaluation.label_noise import label_noise, run_rollouts
from reeltune.tasks import get_task


def choice(name: str, target: str) -> Any:
    row = {"id": name, "task": "multiple_choice", "video": f"{name}.mp4", "question": "?"}
    return get_task("multiple_choice").sample_type(**row, options=["x", "y", "z"], target=target)


def grounding(name: str, span: tuple[float, float]) -> Any:
    row = {"id": name, "task": "temporal_grounding", "video": "v.mp4", "query": "?", "duration": 60}
    return get_task("temporal_grounding").sample_type(**row, target=[span])


def said(*answers: str) -> list[str]:
    return [f"<answer>{answer}</answer>" for answer in answers]


def test_agreement_on_another_answer_is_what_counts() -> None:
    samples = [choice(name, "A") for name in ("wrong", "mixed", "reached", "few", "unread", "worse", "split")]
    answers = {
        "wrong": said("B", "B", "C", "B"),
        "mixed": said("B", "C", "?", "none"),
        "reached": said("B", "B", "B", "A"),
        "few": said("B", "B"),
        "unread": said("what", "ever", "it", "is"),
        "worse": said("C", "C", "C", "C"),
        "split": said("B", "B", "C", "C"),
    }
    found = label_noise(samples, answers)
    assert [(each.id, each.agreement, each.completions) for each in found] == [("worse", 1.0, 4), ("wrong", 0.75, 4)]
    assert found[0].answer == "<answer>C</answer>" and found[0].gold == "<answer>A</answer>"


def test_spans_agree_when_they_overlap_enough() -> None:
    samples = [grounding("moved", (0, 5)), grounding("scattered", (0, 5)), grounding("near", (10, 21))]
    answers = {
        "moved": said("20 to 30", "21 to 30", "20.5 to 29", "40 to 50"),
        "scattered": said("10 to 12", "20 to 25", "40 to 50", "30 to 33"),
        "near": said("10 to 16", "10 to 17", "10 to 16"),
    }
    [found] = label_noise(samples, answers)
    assert (found.id, found.agreement, found.best) == ("moved", 0.75, 0)


def test_the_command_reads_a_runs_rollouts(tmp_path: Path, capsys: Any) -> None:
    rows = [choice("a", "A").model_dump(mode="json"), choice("b", "A").model_dump(mode="json")]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "run" / "rollouts").mkdir(parents=True)
    for step in (1, 2):
        lines = [{"id": "a", "texts": said("B", "B")}, {"id": "b", "texts": said("A", "B")}]
        file = tmp_path / "run" / "rollouts" / f"step-{step:06d}.jsonl"
        file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert run_rollouts(tmp_path / "run") == {"a": said("B", "B", "B", "B"), "b": said("A", "B", "A", "B")}
    out = tmp_path / "noise.jsonl"
    assert main(["score", str(tmp_path / "s.jsonl"), str(tmp_path / "run"), "--label-noise", str(out)]) == 0
    assert "1 of 2 gold answers" in capsys.readouterr().out
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == ["a"]
    with pytest.raises(InputError, match="not a run with rollouts"):
        run_rollouts(tmp_path)
