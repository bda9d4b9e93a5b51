"""`reeltune train` as a user runs it: killed, resumed, interrupted, on two processes, with bad input."""

import json
import signal
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.damage import cut


def weights(run: Path, step: int) -> bytes:
    return (run / "checkpoints" / f"step-{step:06d}" / "model" / "model.safetensors").read_bytes()


def wait_for_step(run: Path, step: int, timeout: float = 120.0) -> None:
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        path = run / "metrics.jsonl"
        if path.exists() and any(f'{{"step": {step}, "clip' in line for line in path.read_text().splitlines()):
            return
        time.sleep(0.02)
    raise AssertionError(f"step {step} was never reached")


def test_a_killed_and_resumed_run_equals_one_never_stopped(workshop: Any) -> None:
    workshop.train("whole")
    for number, (step, delay) in enumerate([(1, 0.0), (3, 0.1), (4, 0.0)]):
        run = workshop.folder / f"killed-{number}"
        process = workshop.begin(run.name)
        wait_for_step(run, step)
        time.sleep(delay)
        process.kill()
        process.wait()
        workshop.train(run.name, "--resume")
        whole = workshop.folder / "whole"
        assert (run / "metrics.jsonl").read_bytes() == (whole / "metrics.jsonl").read_bytes()
        assert weights(run, 6) == weights(whole, 6)
        rollouts = sorted(path.name for path in (run / "rollouts").iterdir())
        assert rollouts == [f"step-{step:06d}.jsonl" for step in range(1, 7)]
        for name in rollouts:
            assert (run / "rollouts" / name).read_bytes() == (whole / "rollouts" / name).read_bytes()


def test_ctrl_c_leaves_a_resumable_run(workshop: Any) -> None:
    run = workshop.folder / "stopped"
    process = workshop.start(run.name, "checkpoint.every=0", "rl.steps=40")
    wait_for_step(run, 1)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 130 and "--resume" in output
    done = workshop.metrics("stopped")[-1]["step"]
    assert 1 <= done < 40
    assert (run / "checkpoints" / f"step-{done:06d}").is_dir()
    workshop.train("stopped", "--resume", f"rl.steps={done + 1}", "eval.every=0")
    assert workshop.metrics("stopped")[-1]["step"] == done + 1


@pytest.mark.parametrize("method", ["grpo", "sft"])
def test_two_processes_give_the_losses_of_one(workshop: Any, method: str) -> None:
    common = [f"method={method}", "model.freeze=[]"]
    workshop.train("one", *common)
    # Once as a user starts it.
    workshop.train("two", *common, processes=2, torchrun=method == "grpo")
    one, two = workshop.metrics("one"), workshop.metrics("two")
    assert len(one) == len(two) == 9
    for left, right in zip(one, two, strict=True):
        assert left.keys() == right.keys()
        for name, value in left.items():
            assert value == pytest.approx(right[name], abs=1e-5, rel=1e-4), (left["step"], name)


@pytest.mark.slow
def test_videos_that_two_processes_set_aside_are_counted_together(workshop: Any) -> None:
    for number in (2, 5, 6):
        clip = workshop.folder / f"{number}.mp4"
        cut(clip, 300)
    common = ["rl.steps=3", "eval.every=0"]
    for name, count in (("one", 1), ("two", 2)):
        workshop.train(name, *common, "video.max_broken_share=0.5", processes=count)
    counts = [[row["quarantined"] for row in workshop.metrics(name)] for name in ("one", "two")]
    assert counts[0] == counts[1] and counts[0][-1] == 3
    output = workshop.train("strict", *common, "video.max_broken_share=0.3", code=2, processes=2)
    assert "3 of 8 samples" in output


def test_two_processes_resume_exactly(workshop: Any) -> None:
    workshop.train("whole", processes=2)
    run = workshop.folder / "killed"
    process = workshop.begin("killed", processes=2)
    wait_for_step(run, 3)
    process.kill()
    process.wait()
    workshop.train("killed", "--resume", processes=2)
    assert (run / "metrics.jsonl").read_bytes() == (workshop.folder / "whole" / "metrics.jsonl").read_bytes()
    assert weights(run, 6) == weights(workshop.folder / "whole", 6)


def test_checkpoints_are_plain_model_directories(workshop: Any) -> None:
    from transformers import AutoModelForImageTextToText, AutoTokenizer

    workshop.train("run", "rl.steps=2", "eval.every=0")
    checkpoint = workshop.folder / "run" / "checkpoints" / "step-000002"
    model = AutoModelForImageTextToText.from_pretrained(checkpoint / "model")
    assert type(model).__name__ == "Qwen3VLForConditionalGeneration"
    assert AutoTokenizer.from_pretrained(checkpoint / "model").chat_template
    assert (checkpoint / "model" / "preprocessor_config.json").is_file()
    before = load_file(workshop.model / "model.safetensors")
    after = load_file(checkpoint / "model" / "model.safetensors")
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and not any("visual" in name for name in moved)
    metrics = workshop.metrics("run")
    assert all(json.dumps(row) for row in metrics) and metrics[0]["vowels/vowels"] > 0
