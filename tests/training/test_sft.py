"""What the loss of supervised fine-tuning is the mean of."""

import json
from typing import Any

import pytest

from reeltune.cli import main

ANSWERS = ("<answer>1.0 to 2.5</answer>", "Yes.", "For each second: " + "no, " * 20)


@pytest.fixture
def first_step(workshop: Any) -> Any:
    """(answers of the step, setting) -> loss and mean length before the first update."""
    rows = [json.loads(line) for line in workshop.samples.read_text().splitlines()[: len(ANSWERS)]]

    def get(indices: list[int], mean_over: str) -> tuple[float, float]:
        name = "-".join([*map(str, indices), mean_over])
        samples = workshop.folder / f"{name}.jsonl"
        chosen = [{**rows[index], "response": ANSWERS[index]} for index in indices]
        samples.write_text("".join(json.dumps(row) + "\n" for row in chosen))
        own = ("sft.steps=1", f"sft.samples_per_step={len(indices)}", f"sft.mean_over={mean_over}", "eval.every=0")
        assert main(workshop.command(name, "method=sft", f"data.train={samples}", *own)[3:]) == 0
        [row] = (json.loads(line) for line in (workshop.folder / name / "metrics.jsonl").read_text().splitlines())
        return row["loss"], row["completion_tokens"]

    return get


def test_the_loss_is_the_mean_over_tokens_or_over_samples(first_step: Any) -> None:
    alone = [first_step([index], "tokens") for index in range(3)]
    losses, lengths = zip(*alone, strict=True)
    together = {name: first_step([0, 1, 2], name)[0] for name in ("tokens", "samples")}
    by_tokens = sum(loss * length for loss, length in alone) / sum(lengths)
    by_samples = sum(losses) / len(losses)
    assert max(lengths) > 5 * min(lengths) and abs(by_tokens - by_samples) > 0.01
    assert together["tokens"] == pytest.approx(by_tokens, rel=1e-5)
    assert together["samples"] == pytest.approx(by_samples, rel=1e-5)
