"""The recipe that `reeltune init` writes: short, whole, its numbers chosen by the data and said why."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from reeltune.progress import counted
from reeltune.sample import Sample
from reeltune.tasks import get_task

HEADER = "# Written by reeltune init"
GROUPS = 8
MAX_STEPS = 500


def recipe_text(directory: Path, samples: Sequence[Sample], held_out: int, *, model: str, command: str) -> str:
    """YAML of a training run on DIRECTORY/train.jsonl, with evaluation where something is held out.

    GRPO where rules give the rewards; where only a judge could, supervised fine-tuning, and how to change that.
    """
    task = get_task(samples[0].task)
    toy = model.startswith("toyworld:")
    judged = any(task.default_weights.get(name) for name in task.judged)
    steps = min(MAX_STEPS, max(1, -(-len(samples) // GROUPS)))
    every = max(1, steps // 4)
    tokens = 24 if toy else 512
    lines = [
        f"# {command}",
        f"# {counted(len(samples), 'sample')} of {task.name}. Check index.html first; `reeltune plan` estimates "
        "the memory.",
    ]
    if toy:
        lines.append("# toyworld:base is a small model for experiments: pass --model DIR, or set model.path here.")
    if judged:
        lines.append(f"# Rewards of {task.name} need a judge. This is supervised; for method: grpo add, for example,")
        lines.append("#   judge: {kind: openai, base_url: http://HOST:PORT/v1, model: NAME}")
    lines += [
        f"method: {'sft' if judged else 'grpo'}",
        "model:",
        f"  path: {json.dumps(model)}",
        *([] if toy else ["  dtype: float32            # master weights; the passes run in bf16"]),
        "data:",
        f"  train: {json.dumps(str(directory / 'train.jsonl'))}",
        f"  mode: {'direct' if toy or judged else 'think'}",
        "video:",
        "  fps: 2",
        *(["  min_frame_pixels: 4096", "  max_frame_pixels: 4096"] if toy else ["  max_frames: 128"]),
        "rl:",
        f"  steps: {steps:<19}# "
        f"{'one pass over the samples' if steps < MAX_STEPS else 'less than one pass over the samples'}",
        f"  groups_per_step: {GROUPS}",
        "  group_size: 8",
        f"  max_new_tokens: {tokens}",
        "  std_floor: 0.05",
        "sft:",
        f"  steps: {steps}",
        f"  samples_per_step: {GROUPS}",
        "optim:",
        f"  lr: {'3.0e-4' if toy else '1.0e-6'}",
        *([] if toy else ["  precision: bf16"]),
        "checkpoint:",
        f"  every: {every}",
    ]
    if held_out:
        lines += [
            "eval:",
            f"  data: {json.dumps(str(directory / 'held_out.jsonl'))}",
            f"  every: {every}",
            f"  max_new_tokens: {tokens}",
        ]
    lines += ["run:", f"  dir: {json.dumps(str(directory / 'run'))}"]
    body = "\n".join(lines) + "\n"
    return f"{HEADER} {_digest(body)}\n{body}"


def is_untouched(path: Path) -> bool:
    """Whether a recipe is as `init` wrote it: then it may be written again."""
    first, _, body = path.read_text(encoding="utf-8").partition("\n")
    return first == f"{HEADER} {_digest(body)}"


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]
