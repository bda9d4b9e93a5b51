"""Writes toyworld to disk: MP4 files and the samples that ask about them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from reeltune.errors import InputError
from reeltune.files import discard_leftovers, write_jsonl
from reeltune.progress import track
from reeltune.toyworld.questions import KINDS, Ask, ask
from reeltune.toyworld.world import Scene, WorldSettings, draw_scene, is_held_out, render
from reeltune.video.encode import write_video

Split = Literal["train", "held_out", "held_out_long", "held_out_many", "held_out_colors"]
SPLITS: tuple[Split, ...] = get_args(Split)
"""The last three are harder ones of the second edition."""


@dataclass(frozen=True)
class Asked:
    """A scene and the samples that ask about it, without their file names."""

    scene: Scene
    samples: tuple[dict[str, Any], ...]


def generate(
    directory: Path,
    *,
    videos: int,
    split: Split = "train",
    seed: int = 0,
    tasks: Sequence[str] | Mapping[str, float] = ("temporal_grounding", "multiple_choice"),
    samples_per_video: int = 1,
    objects: tuple[int, int] = (1, 3),
    settings: WorldSettings | None = None,
) -> Path:
    """Write `videos` clips and their samples under `directory`; return the samples file, `split`.jsonl.

    `tasks` names tasks or single kinds ("multiple_choice/colour"), with shares when it is a mapping. A clip
    is named by its content, so what is already there is not written again; the samples file appears last, and
    whole. Equal arguments give equal samples. No scene of one split has the script of a scene of the other,
    whatever the seeds.
    """

    def draw(rng: np.random.Generator) -> Scene:
        return draw_scene(rng, int(rng.integers(objects[0], objects[1] + 1)), settings)

    plan = plan_samples(videos, split, seed=seed, tasks=tasks, samples_per_video=samples_per_video, draw=draw)
    return write_samples(directory / f"{split}.jsonl", plan, total=videos, label=label_of(split, seed, tasks))


def label_of(split: Split, seed: int, tasks: Iterable[str]) -> str:
    """How ids begin: samples of several calls meet in one run, which knows them by their ids."""
    return "-".join([split, str(seed), *(name.replace("/", "-") for name in tasks)])


def write_samples(path: Path, plan: Iterable[Asked], *, total: int, label: str) -> Path:
    """Write the clips of a plan into `videos` beside `path`, then the samples into `path`.

    `total` scenes are expected, for the progress bar; ids begin with `label`.
    """
    rows: list[dict[str, Any]] = []
    discard_leftovers(path.parent)
    for asked in track(plan, f"toyworld {label}", total=total, unit="video"):
        video = write_scene(path.parent / "videos", asked.scene)
        for sample in asked.samples:
            name = f"{label}-{len(rows):06d}"
            rows.append({"id": name, "video": f"videos/{video.name}", "source": "toyworld", **sample})
    write_jsonl(path, rows)
    return path


def write_scene(directory: Path, scene: Scene) -> Path:
    """The scene's clip as H.264 in `directory`, written unless it is there already."""
    path = directory / f"{scene.digest()}.mp4"
    if not path.exists():
        write_video(path, render(scene), scene.fps)
    return path


def plan_samples(
    videos: int,
    split: Split,
    *,
    seed: int,
    tasks: Sequence[str] | Mapping[str, float],
    samples_per_video: int,
    draw: Callable[[np.random.Generator], Scene],
    questions: Mapping[str, Ask] = KINDS,
) -> Iterator[Asked]:
    """Draw scenes of `split` and ask about each; a scene that cannot answer all questions is drawn again.

    Kinds that few scenes can answer come a little less often than their shares say.
    """
    kinds, shares = kinds_of(tasks, questions)
    rng = np.random.default_rng([seed, SPLITS.index(split)])
    found = 0
    while found < videos:
        scene = draw(rng)
        wanted = rng.choice(kinds, size=samples_per_video, p=shares)
        if is_held_out(scene) != (split != "train"):
            continue
        drawn = (ask(str(kind), scene, rng, questions) for kind in wanted)
        samples = tuple(sample for sample in drawn if sample is not None)
        if len(samples) == samples_per_video:
            found += 1
            yield Asked(scene, samples)


def kinds_of(
    tasks: Sequence[str] | Mapping[str, float], questions: Mapping[str, Ask] = KINDS
) -> tuple[list[str], list[float]]:
    """Tasks and kinds with weights -> kinds and shares that sum to 1; the kinds of a task share its weight.

    Raises InputError for a name that is neither a task nor a kind, and for weights that are not positive.
    """
    weights = dict(tasks) if isinstance(tasks, Mapping) else dict.fromkeys(tasks, 1.0)
    found: dict[str, float] = {}
    for name, weight in weights.items():
        kinds = [kind for kind in questions if kind == name or kind.split("/")[0] == name]
        if not kinds:
            raise InputError(f"toyworld asks about {', '.join(questions)} (or a task's name alone), not {name!r}")
        if not weight > 0:
            raise InputError(f"a share of toyworld samples must be above 0; got {name}: {weight}")
        for kind in kinds:
            found[kind] = found.get(kind, 0.0) + weight / len(kinds)
    if not found:
        raise InputError("toyworld needs at least one task; got none")
    total = sum(found.values())
    return list(found), [weight / total for weight in found.values()]
