"""Numbers that are none: NaN, infinite, missing, too many, of another shape; in weights, gradients, rewards, log-probs
and metrics. An error that says where, or a counted line; never exit code 0 with zeros."""

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

import reeltune.cli
from faults.cases import Case, Check, refused, try_cases, went_on
from faults.commands import small
from faults.table import Row
from faults.zygote import warm

TENSOR = "model.language_model.layers.1.mlp.up_proj.weight"
BAD = {"nan": "float('nan')", "inf": "float('inf')", "-inf": "-float('inf')", "1e999": "1e999"}
OTHER = {
    "none": "None", "text": "'high'", "list": "[1.0, 0.5]", "empty": "[]", "complex": "1j", "dict": "{'a': 1}",
    "array": "__import__('numpy').zeros((2, 2))", "raises": "1 / 0",
}  # fmt: skip
FINE = {"numpy": "__import__('numpy').float32(0.5)", "tensor": "__import__('torch').tensor(0.5)", "bool": "True"}


def numbers(scratch: Path, *, seconds: float, seed: int) -> list[Row]:
    """All of them: there is nothing to draw."""
    train = small(scratch / "inputs", "grpo")
    warm(reeltune.cli.main, train, scratch / "warm")
    cases = [*_weights(scratch, train), *_rewards(scratch, train), *_inside(train), *_metrics(train)]
    return try_cases("numbers", cases, scratch)


def _weights(scratch: Path, train: list[str]) -> Iterator[Case]:
    from safetensors.numpy import load_file, save_file

    import reeltune.toyworld

    base = Path(reeltune.toyworld.__file__).parent / "base"
    whole = load_file(base / "model.safetensors")

    def changed(name: str, value: float) -> dict[str, Any]:
        tensor = whole[name].copy()
        tensor.flat[0] = value
        return whole | {name: tensor}

    damages: dict[str, tuple[dict[str, Any], Check]] = {
        "nan": (changed(TENSOR, np.nan), refused(TENSOR)),
        "inf": (changed(TENSOR, np.inf), refused(TENSOR)),
        "missing": ({key: each for key, each in whole.items() if key != TENSOR}, refused(TENSOR)),
        "extra": (whole | {f"{TENSOR}.more": np.zeros(3, np.float32)}, refused(f"{TENSOR}.more")),
        "other shape": (whole | {TENSOR: whole[TENSOR].T.copy()[:, :-1].copy()}, refused(TENSOR)),
        "no tensor at all": ({"a": np.zeros(3, np.float32)}, refused("missing")),
    }
    for name, (tensors, check) in damages.items():
        folder = scratch / f"model-{name.replace(' ', '-')}"
        shutil.copytree(base, folder)
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        yield Case(f"weights: {name}", [*train, f"model.path={folder}"], check)


def _rewards(scratch: Path, train: list[str]) -> Iterator[Case]:
    for values, check in ((BAD | OTHER, refused("mine")), (FINE, went_on())):
        for name, value in values.items():
            file = scratch / f"reward_{name.strip('-')}{len(name)}.py"
            file.write_text(f"def mine(sample, answer):\n    return {value}\n")
            functions = json.dumps({"temporal_grounding": {"mine": f"{file}:mine"}})
            yield Case(f"rewards: {name}", [*train, f"rewards.functions={functions}"], check)


def _inside(train: list[str]) -> Iterator[Case]:
    """Gradients and log-probs, changed where they are made."""

    def gradients(value: float) -> Callable[[], None]:
        def before() -> None:
            from reeltune.training import learner

            honest = learner.group_log_probs

            def poisoned(*arguments: Any, **options: Any) -> Any:
                found = honest(*arguments, **options)
                for each in found:
                    each.register_hook(lambda gradient: gradient * value)
                return found

            learner.group_log_probs = poisoned

        return before

    def rollouts(change: Callable[[Any], Any]) -> Callable[[], None]:
        def before() -> None:
            from dataclasses import replace

            from reeltune.rollout import hf

            honest = hf.HFEngine.generate

            def changed(self: Any, *arguments: Any, **options: Any) -> Any:
                return [replace(each, log_probs=change(each.log_probs)) for each in honest(self, *arguments, **options)]

            hf.HFEngine.generate = changed  # type: ignore[method-assign]

        return before

    for value in (float("nan"), float("inf")):
        yield Case(f"gradients: {value}", train, refused("gradient"), gradients(value))
    changes: dict[str, Callable[[Any], Any]] = {
        "nan": lambda values: values * float("nan"),
        "inf": lambda values: values - float("inf"),
        "one position less": lambda values: values[:, :-1],
        "one position more": lambda values: values.repeat(1, 2)[:, : values.shape[1] + 1],
        "one completion less": lambda values: values[:-1],
        "other numbers": lambda values: values - 1.0,
        "none": lambda values: None,
    }
    for name, change in changes.items():
        yield Case(f"log-probs: {name}", train, refused("log-probs"), rollouts(change))


def _metrics(train: list[str]) -> Iterator[Case]:
    def metrics(found: dict[Any, Any]) -> Callable[[], None]:
        def before() -> None:
            from reeltune.tasks import get_task

            task = type(get_task("temporal_grounding"))
            task.metrics = lambda self, samples, texts: found  # type: ignore[method-assign]

        return before

    evaluated = [*train, "eval.every=1"]
    bad: dict[str, dict[Any, Any]] = {
        "nan": {"miou": float("nan")}, "inf": {"miou": float("inf")}, "text": {"miou": "high"},
        "a name that is none": {3: 1.0}, "a list": {"miou": [1.0]},
    }  # fmt: skip
    for name, found in bad.items():
        yield Case(f"metrics: {name}", evaluated, refused("metric"), metrics(found))
