"""A model card in the hub's form: what was trained, from what, on what, how well it does, and how it is asked.

What leaves the machine says nothing of it: paths are cut to their last part and addresses of servers are left out.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from reeltune.data.sources import TOYWORLD
from reeltune.report.page import seconds_in_words
from reeltune.report.run_files import EVAL, RunFiles

if TYPE_CHECKING:
    from huggingface_hub import EvalResult, ModelCard

TASK = "video-text-to-text"
"""The hub's name of what these models do."""
COUNTS = ("n", "truncated", "unparsed")
"""Columns of an evaluation that are no scores."""


@dataclass(frozen=True)
class Published:
    """What is put on the hub. `base` and `license`: the hub's names, None where not known; `step` None: of no run."""

    name: str
    adapter: bool
    base: str | None
    license: str | None
    step: int | None
    routed: bool = False
    datasets: tuple[str, ...] = ()


def model_card(published: Published, run: RunFiles | None, asked: Mapping[str, Any]) -> "ModelCard":
    """`run`: the run it is a checkpoint of, None where that is not known; `asked`: what its reeltune.json remembers."""
    from huggingface_hub import ModelCard, ModelCardData

    results = _eval_results(run, published) if run else []
    relation = "adapter" if published.adapter else "finetune"
    data = ModelCardData(
        base_model=published.base,
        base_model_relation=relation if published.base else None,
        datasets=list(published.datasets) or None,
        eval_results=results or None,
        license=published.license,
        library_name="peft" if published.adapter else "transformers",
        model_name=published.name.rpartition("/")[2] if results else None,
        pipeline_tag=TASK,
        tags=["reeltune", "video", *([run.method] if run else [])],
    )
    parts = [_opening(published, run), _use(published, asked)]
    if run:
        parts += [_results(run, published), _training(run)]
    return ModelCard(f"---\n{data}\n---\n\n" + "\n".join(parts))


def portable_recipe(config: Mapping[str, Any]) -> str:
    """A run's recipe as YAML, without what only its own machine knows."""
    return yaml.safe_dump(_portable(config), sort_keys=False, allow_unicode=True)


def _portable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _portable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_portable(each) for each in value]
    if isinstance(value, str) and "://" in value:
        return "ADDRESS"
    return Path(value).name if isinstance(value, str) and value.startswith(("/", "~", "..")) else value


def _opening(published: Published, run: RunFiles | None) -> str:
    what = "A LoRA adapter over" if published.adapter else "A fine-tuned version of"
    base = f"[{published.base}](https://huggingface.co/{published.base})" if published.base else "a base model"
    how = f", trained with {run.method.upper()}" if run else ""
    step = f", step {published.step}" if published.step is not None else ""
    unknown = "" if published.license else "\n\nIts license is not stated: ask the publisher before using it."
    return f"# {published.name.rpartition('/')[2]}\n\n{what} {base}{how} by Reeltune{step}.{unknown}\n"


def _use(published: Published, asked: Mapping[str, Any]) -> str:
    video, data = asked.get("video", {}), asked.get("data", {})
    seen = f"It was trained with at most {video['max_frames']} frames at {video['fps']:g} per second" if video else ""
    mode = f", answer mode `{data['mode']}`" if data else ""
    other = (
        "Some of its vision tokens skip layers (p-MoD), so only Reeltune can load it.\n"
        if published.routed
        else f"Load it with `peft` on top of {published.base or 'its base model'}.\n"
        if published.adapter
        else "It is a plain model directory for transformers and vLLM.\n"
    )
    return (
        "## How to use it\n\n```python\nimport reeltune as rt\n\n"
        f'model = rt.load("{published.name}")\nprint(model.ask("video.mp4", "When does the door open?"))\n```\n\n'
        f'```bash\nreeltune ask {published.name} video.mp4 "When does the door open?"\n```\n\n'
        + (f"{seen}{mode}: Reeltune reads this from `reeltune.json`. " if seen else "")
        + other
    )


def _at(run: RunFiles, published: Published) -> list[dict[str, Any]]:
    """The first evaluation, and the last one that the checkpoint has seen."""
    rows = [row for row in run.evaluations if published.step is None or row["step"] <= published.step]
    return [rows[0], rows[-1]] if len(rows) > 1 else rows


def _eval_results(run: RunFiles, published: Published) -> "list[EvalResult]":
    from huggingface_hub import EvalResult

    rows = _at(run, published)
    source = _evaluated_on(run)
    slug = re.sub(r"[^a-z0-9]+", "-", source.lower()).strip("-")
    return [
        EvalResult(
            task_type=TASK,
            dataset_type=slug,
            dataset_name=source,
            metric_type=name.removeprefix(EVAL),
            metric_value=round(value, 2),
        )
        for name, value in (rows[-1].items() if rows else ())
        if name.startswith(EVAL) and name.rpartition("/")[2] not in COUNTS and value is not None
    ]


def _results(run: RunFiles, published: Published) -> str:
    rows = _at(run, published)
    if not rows:
        return "## Results\n\nNot evaluated during training.\n"
    head = " | ".join(f"step {row['step']}" for row in rows)
    lines = [f"## Results\n\nOn `{_evaluated_on(run)}`, in percent (`n`: answers).\n", f"| | {head} |"]
    lines.append("|---" * (len(rows) + 1) + "|")
    for name in rows[-1]:
        if name.startswith(EVAL):
            cells = " | ".join(_number(row.get(name)) for row in rows)
            lines.append(f"| {name.removeprefix(EVAL)} | {cells} |")
    lines.append("\nNothing else was measured.")
    if _evaluated_on(run).startswith(TOYWORLD):
        lines.append("Toyworld is a simulation: these numbers say nothing about real videos.")
    return "\n".join(lines) + "\n"


def _training(run: RunFiles) -> str:
    config, environment = run.config, run.environment
    optim, adapter = config.get("optim") or {}, config.get("adapter")
    rows = {
        "method": run.method,
        "steps": run.last_step,
        "prompts a step": (config.get("rl") or {}).get("groups_per_step") if run.method != "sft" else None,
        "completions a prompt": (config.get("rl") or {}).get("group_size") if run.method == "grpo" else None,
        "learning rate": optim.get("lr"),
        "adapter": f"LoRA of rank {adapter.get('rank')}" if adapter else None,
        "data": ", ".join(f"`{name}`" for name in _trained_on(run)),
        "time": seconds_in_words(run.seconds()) if run.timings else None,
        "device": f"{environment['processes']} x {environment['device']}" if "device" in environment else None,
        "software": ", ".join(f"{name} {environment[name]}" for name in ("reeltune", "torch", "transformers")
                              if name in environment),
    }  # fmt: skip
    table = "\n".join(f"| {name} | {value} |" for name, value in rows.items() if value not in (None, ""))
    return f"## Training\n\n| | |\n|---|---|\n{table}\n\nThe complete recipe is `recipe.yaml`.\n"


def _trained_on(run: RunFiles) -> list[str]:
    return [str(_portable(each["path"])) for each in (run.config.get("data") or {}).get("train") or ()]


def _evaluated_on(run: RunFiles) -> str:
    return str(_portable((run.config.get("eval") or {}).get("data") or "its held-out samples"))


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.1f}".removesuffix(".0")
