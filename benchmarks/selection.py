"""Is selection worth it? The same number of optimizer steps on all, random, selected samples, and with online skipping.

    python benchmarks/selection.py                    three seeds, half an hour of one core at most
    python benchmarks/selection.py --seeds 1 --steps 40     a first look
    python benchmarks/selection.py --model DIR        another model than the shipped one

Most of the pool is too easy or impossible: `easy`, colors of a lone shape, which the model knows; `wrong key`, the
same with another letter as the truth; `wrong unit`, a few spans whose annotation is a share of the duration but stands
there as seconds, a defect of published annotations. `informative`: a minority of ordinary questions about time.
What is selected is decided by `reeltune select` alone; it does not know these names.

Every run is kept in --dir: after a kill the same command goes on.
"""

import argparse
import json
import random
import statistics
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import harness
from selection_pool import make_held_out, make_pool

from reeltune.config.recipe import Recipe, load_recipe
from reeltune.files import write_json, write_jsonl, write_text
from reeltune.report.charts import Series, line_chart
from reeltune.report.page import page, section, table
from reeltune.selection.outcome import counts, summary, write_outcome
from reeltune.selection.report import write_report
from reeltune.selection.rules import Options, choose
from reeltune.selection.sampling import sample_stats
from reeltune.training.journal import read_jsonl
from reeltune.training.train import train

RECIPE = Path(__file__).parent.parent / "recipes" / "toy" / "grpo.yaml"
ARMS = {"all": "base", "random": "sft", "selected": "grpo", "online": "truth"}
METRIC = "eval/temporal_grounding/miou"
ACCURACY = "eval/multiple_choice/accuracy"
REPEATS = 8
Row = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """One arm with one seed: the evaluations as (steps, rollouts spent until then, mIoU, accuracy)."""

    arm: str
    seed: int
    points: list[tuple[int, int, float, float]]
    groups_without_signal: float

    @property
    def final(self) -> float:
        return self.points[-1][2]


def main() -> None:
    arguments = harness.parser(__doc__)
    arguments.add_argument("--dir", type=Path, default=Path("runs/selection"))
    arguments.add_argument("--seeds", type=int, default=3)
    arguments.add_argument("--steps", type=int, default=200)
    arguments.add_argument("--pool", type=int, default=1000)
    arguments.add_argument("--lr", type=float, default=2e-4)
    arguments.add_argument("--model", default="toyworld:base")
    options = arguments.parse_args()
    head = harness.start(options)
    began = time.process_time()
    claim(options)
    runs = [run for seed in range(options.seed, options.seed + options.seeds) for run in run_seed(seed, options)]
    rows = [arm_row(arm, runs, options) for arm in ARMS]
    harness.table(rows)
    verdicts = judge(runs)
    verdicts.show()
    print(f"{(time.process_time() - began) / 60:.1f} minutes of processor time in this call")
    write_text(options.dir / "report.html", picture(runs, rows))
    print(options.dir / "report.html")
    found = [vars(run) for run in runs]
    write_json(options.dir / "results.json", {**head, "runs": found, "arms": rows, "goals": verdicts.rows})
    harness.write(options, {**head, "runs": found, "arms": rows, "goals": verdicts.rows})


def claim(options: argparse.Namespace) -> None:
    """Refuse to go on in a folder of other settings: its runs would be taken for these."""
    path = options.dir / "options.json"
    settings = {name: getattr(options, name) for name in ("steps", "pool", "lr", "model")}
    if path.exists() and json.loads(path.read_text()) != settings:
        raise SystemExit(f"{options.dir} holds runs of {path.read_text().strip()}; give another --dir")
    write_json(path, settings)


def run_seed(seed: int, options: argparse.Namespace) -> Iterator[Run]:
    folder = options.dir / f"seed-{seed}"
    pool, held_out = make_pool(folder, seed, options.pool), make_held_out(options.dir)
    selected = select(folder, pool, seed, options)
    everything = read_jsonl(pool)
    drawn = random.Random(seed).sample(everything, len(read_jsonl(selected)))
    write_jsonl(folder / "random.jsonl", drawn)
    files = {"all": pool, "random": folder / "random.jsonl", "selected": selected, "online": pool}
    for arm, file in files.items():
        recipe = arm_recipe(folder, arm, file, held_out, seed, options)
        run_dir = Path(recipe.run.dir)
        done = (run_dir / "checkpoints" / f"step-{recipe.steps:06d}").exists()
        if not done and not train(recipe, resume=run_dir.exists()):
            raise SystemExit("stopped; the same command goes on")
        yield read_arm(arm, seed, recipe)


def select(folder: Path, pool: Path, seed: int, options: argparse.Namespace) -> Path:
    """What `reeltune select --size N` keeps: a tenth of the pool, by rank."""
    recipe = load_recipe(RECIPE, [*common(folder, seed, options), f"data.train={pool}", f"select.repeats={REPEATS}"])
    stats = sample_stats(recipe, folder / "select")
    wanted = Options(size=round(0.1 * options.pool), seed=seed)
    decisions = choose(stats, wanted)
    write_outcome(folder / "select", stats, decisions, wanted, origin=folder / "select")
    write_report(folder / "select", stats, decisions, wanted, origin=folder / "select")
    print(f"seed {seed}\n{summary(counts(stats, decisions))}")
    kept = Counter(str(each.source) for each, decision in zip(stats, decisions, strict=True) if decision.kept)
    print(f"selected, by what the samples are: {dict(kept)}")
    return folder / "select" / "samples.jsonl"


def common(folder: Path, seed: int, options: argparse.Namespace) -> list[str]:
    return [f"seed={seed}", f"model.path={options.model}", f"video.cache={folder / 'frame-cache'}"]


def arm_recipe(folder: Path, arm: str, file: Path, held_out: Path, seed: int, options: argparse.Namespace) -> Recipe:
    own = ["rl.skipping={explore: 0.3, least: 0.05}"] if arm == "online" else []
    return load_recipe(
        RECIPE,
        [
            *common(folder, seed, options),
            f"data.train={file}",
            f"eval.data={held_out}",
            f"eval.every={options.steps // 5}",
            "checkpoint.every=0",
            f"rl.steps={options.steps}",
            # Decay would make the last steps differ between arms of different pace.
            "optim.schedule=constant",
            # Many small groups: a step of "all" finds only one or two with a signal among them.
            "rl.groups_per_step=16",
            "rl.group_size=8",
            f"optim.lr={options.lr}",
            f"run.dir={folder / arm}",
            *own,
        ],
    )


def read_arm(arm: str, seed: int, recipe: Recipe) -> Run:
    rows = read_jsonl(Path(recipe.run.dir) / "metrics.jsonl")
    per_step = recipe.rl.groups_per_step * recipe.rl.group_size
    uninformative = [row["groups_without_signal"] for row in rows if "groups_without_signal" in row]
    spent = {row["step"]: row.get("rollouts", per_step) for row in rows if "loss" in row}
    points = [
        (row["step"], int(sum(spent[step] for step in spent if step <= row["step"])), row[METRIC], row[ACCURACY])
        for row in rows
        if METRIC in row
    ]
    return Run(arm, seed, points, statistics.fmean(uninformative) / recipe.rl.groups_per_step)


def of_arm(arm: str, runs: Sequence[Run]) -> list[Run]:
    return [run for run in runs if run.arm == arm]


def mean_curve(arm: str, runs: Sequence[Run], *, by: int = 1, value: int = 2) -> list[tuple[float, float]]:
    """Means over the seeds at each evaluation; `by` 0: steps, 1: rollouts; `value` 2: mIoU, 3: accuracy."""
    columns = zip(*(run.points for run in of_arm(arm, runs)), strict=True)
    return [
        (statistics.fmean(point[by] for point in column), statistics.fmean(point[value] for point in column))
        for column in columns
    ]


def spread(values: Sequence[float]) -> float:
    return statistics.stdev(values) if len(values) > 1 else 0.0


def arm_row(arm: str, runs: Sequence[Run], options: argparse.Namespace) -> Mapping[str, Any]:
    own = of_arm(arm, runs)
    finals = [run.final for run in own]
    samples = options.pool if arm in ("all", "online") else round(0.1 * options.pool)
    asked = options.pool * REPEATS if arm == "selected" else 0
    return {
        "arm": arm,
        "samples": samples,
        "rollouts": round(statistics.fmean(run.points[-1][1] for run in own)),
        "for selection": asked,
        "zero-variance groups %": 100 * statistics.fmean(run.groups_without_signal for run in own),
        "mIoU before": statistics.fmean(run.points[0][2] for run in own),
        "mIoU": statistics.fmean(finals),
        "std": spread(finals),
        "by seed": ", ".join(f"{value:.1f}" for value in finals),
        "accuracy before": statistics.fmean(run.points[0][3] for run in own),
        "accuracy": statistics.fmean(run.points[-1][3] for run in own),
    }


def judge(runs: Sequence[Run]) -> harness.Verdicts:
    finals = {arm: [run.final for run in of_arm(arm, runs)] for arm in ARMS}
    means = {arm: statistics.fmean(values) for arm, values in finals.items()}
    verdicts = harness.Verdicts()
    before = mean_curve("all", runs)[0][1]
    verdicts.check("mIoU, all samples: what training on them gives", means["all"] - before, 0.0, at_least=True)
    verdicts.check("mIoU, selected tenth minus all", means["selected"] - means["all"], 0.0, at_least=True)
    noise = max(spread(finals["selected"]), spread(finals["random"]))
    gain = means["selected"] - means["random"] - noise
    verdicts.check("mIoU, selected tenth minus random tenth minus the seeds' std", gain, 1e-9, at_least=True)
    share = share_to_reach(means["all"], mean_curve("online", runs)) / mean_curve("all", runs)[-1][0]
    verdicts.check(
        "rollouts of online skipping until it is where all ends, and stays, as a share", share, 2 / 3, at_least=False
    )
    return verdicts


def share_to_reach(goal: float, curve: Sequence[tuple[float, float]]) -> float:
    """The rollouts spent at the first evaluation after training began from which on the mean never falls below `goal`
    again; infinite where the last one is below it."""
    spent = float("inf")
    for rollouts, value in reversed(curve[1:]):
        if value < goal:
            break
        spent = rollouts
    return spent


def picture(runs: Sequence[Run], rows: Sequence[Mapping[str, Any]]) -> str:
    asked = {str(row["arm"]): float(row["for selection"]) for row in rows}

    def curve(arm: str, by: int, value: int) -> list[tuple[float, float]]:
        ahead = asked[arm] if by else 0.0
        return [(place + ahead, score) for place, score in mean_curve(arm, runs, by=by, value=value)]

    charts = "".join(
        line_chart(
            [Series(arm, curve(arm, by, value), color, marks=True) for arm, color in ARMS.items()],
            title=f"held-out {name} by {axis}",
            note="%, mean over seeds",
            x_label=axis,
        )
        for value, name in ((2, "mIoU"), (3, "accuracy"))
        for by, axis in ((0, "optimizer steps"), (1, "rollouts, those of the selection too"))
    )
    cells = [[f"{value:.3g}" if isinstance(value, float) else str(value) for value in row.values()] for row in rows]
    return page(
        "Is selection worth it?",
        "<h1>The same steps on all, random and selected samples, and with online skipping</h1>"
        + section("Held-out scores", f'<div class="charts">{charts}</div>', table(list(rows[0]), cells)),
    )


if __name__ == "__main__":
    main()
