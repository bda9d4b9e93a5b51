"""The small version of a paper's table: trains every run for every seed and measures it on held-out samples.

Everything lands under one directory as it is done, so the same call goes on after a kill. A directory belongs to one
set of settings.
"""

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path

from reeltune.build import build_answerer
from reeltune.config.recipe import Recipe, load_recipe
from reeltune.data.sources import load_source
from reeltune.errors import InputError
from reeltune.evaluation.judging import judge_answers
from reeltune.evaluation.runner import asking, predict
from reeltune.evaluation.score import score_answers
from reeltune.evidence.spec import BASE, Measure, Reproduction, Small
from reeltune.evidence.verdict import Measured, Rows
from reeltune.files import write_json
from reeltune.training.checkpoint import list_checkpoints, trained_model
from reeltune.training.train import train

IDENTITY = "small.json"


class Stopped(Exception):
    """A training was stopped by the user; the same command goes on."""


def run_small(
    found: Reproduction, directory: Path, seeds: Sequence[int], overrides: Sequence[str] = ()
) -> tuple[Measured, dict[str, dict[str, float]]]:
    """(seed -> run -> measure -> sample -> percent; trivial row -> measure -> mean over the seeds).

    InputError when `directory` holds results of other settings.
    """
    small = found.small
    _claim(directory, {"small": small.model_dump(mode="json"), "overrides": list(overrides)})
    measured: dict[int, dict[str, dict[str, Rows]]] = {}
    trivial: dict[str, dict[str, list[float]]] = {}
    for seed in seeds:
        place = directory / f"seed-{seed}"
        measured[seed] = {}
        models: dict[str, Path | None] = {BASE: None}
        for name, run in small.runs.items():
            settings = filled([*common(small, directory, seed), *run.settings], models, seed)
            recipe = load_recipe(Path(run.recipe), [*settings, *overrides, f"run.dir={place / name}"])
            models[name] = _trained(recipe)
        for name, model in models.items():
            path = place / name / "measured.json"
            if not path.exists():
                recipe = load_recipe(Path(small.recipe), [*common(small, directory, seed), *overrides])
                write_json(path, measure_all(small.measures, recipe, model, place / name / "held-out"))
            told = json.loads(path.read_text(encoding="utf-8"))
            measured[seed][name] = told["samples"]
            for row, values in told["trivial"].items():
                for measure, value in values.items():
                    trivial.setdefault(row, {}).setdefault(measure, []).append(value)
    means = {row: {name: sum(each) / len(each) for name, each in own.items()} for row, own in trivial.items()}
    return measured, means


def common(small: Small, directory: Path, seed: int) -> list[str]:
    """Settings of every run and evaluation of a seed, which decides videos and training."""
    own = [f"seed={seed}", f"toyworld.seed={seed}", f"toyworld.dir={directory / 'toyworld'}"]
    return [*own, f"video.cache={directory / 'frame-cache'}", *small.settings]


def filled(settings: Sequence[str], models: Mapping[str, Path | None], seed: int) -> list[str]:
    """The settings with each `{NAME}` as the path of that run's model. InputError for a run that has none yet."""

    def path(match: re.Match[str]) -> str:
        if match[1] == "seed":
            return str(seed)
        model = models.get(match[1])
        if model is None:
            raise InputError(f"{match[0]}: only a run that stands before this one has a model; got {', '.join(models)}")
        return str(model)

    return [re.sub(r"\{([a-z0-9-]+)\}", path, setting) for setting in settings]


def measure_all(
    measures: Mapping[str, Measure], recipe: Recipe, model: Path | None, directory: Path
) -> dict[str, dict[str, dict[str, float]]]:
    """Of the recipe's model or `model`: `samples`, measure -> id -> percent; `trivial`, row -> measure -> percent."""
    answerer = build_answerer(recipe, model)
    samples: dict[str, dict[str, float]] = {}
    trivial: dict[str, dict[str, float]] = {}
    with closing(answerer.engine) as engine:
        for name, measure in measures.items():
            asked = load_source(measure.samples, recipe.toyworld).require(recipe.video.max_broken_share).samples
            folder = directory / name
            ask = asking(answerer.reader, engine, max_new_tokens=recipe.eval.max_new_tokens)
            said = predict(ask, asked, folder, title=f"{folder}")
            texts = {key: [answer.text] for key, answer in said.items()}
            scored = score_answers(asked, texts, resamples=0, keep_samples=True)
            judged = judge_answers(asked, texts, recipe.judge, folder)
            further = judged.per_sample if judged else {}
            rows = {row["id"]: {**row, **further.get(row["id"], {})} for row in scored.per_sample}
            samples[name] = {key: _value(row, measure.metric, key) for key, row in rows.items()}
            [table] = scored.metrics.values()
            for key, value in table.items():
                kind, _, rest = key.partition(".")
                row, _, metric = rest.rpartition(".")
                if kind == "trivial" and metric == measure.metric:
                    trivial.setdefault(row, {})[name] = value
    return {"samples": samples, "trivial": trivial}


def _value(row: Mapping[str, object], metric: str, sample: str) -> float:
    if " * " in metric:
        a, b = (_value(row, each, sample) for each in metric.split(" * "))
        return 2 * a * b / (a + b) if a + b else 0.0
    value = row.get(metric)
    if not isinstance(value, int | float):
        numbers = [name for name, each in row.items() if isinstance(each, int | float)]
        raise InputError(f"sample {sample}: there is no metric {metric!r}; there are {', '.join(numbers)}")
    return float(value)


def _trained(recipe: Recipe) -> Path:
    run_dir = Path(recipe.run.dir)
    done = (run_dir / "checkpoints" / f"step-{recipe.steps:06d}").exists()
    if not done and not train(recipe, resume=run_dir.exists()):
        raise Stopped
    return trained_model(list_checkpoints(run_dir / "checkpoints")[-1])


def _claim(directory: Path, identity: dict[str, object]) -> None:
    path = directory / IDENTITY
    if not path.exists():
        write_json(path, identity)
    elif json.loads(path.read_text(encoding="utf-8")) != json.loads(json.dumps(identity)):
        raise InputError(f"{directory} holds results of other settings ({IDENTITY}); give another --dir")
