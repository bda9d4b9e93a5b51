"""Where a recipe's data and models come from: paths, or `toyworld:...` made on demand."""

from collections.abc import Sequence
from pathlib import Path

from reeltune.config import Source, ToyworldConfig
from reeltune.errors import InputError
from reeltune.samples import Sample, require_videos
from reeltune.tasks import load_samples

TOYWORLD = "toyworld:"


def load_source(path: str, toyworld: ToyworldConfig) -> list[Sample]:
    """The samples of a file, or of `toyworld:SPLIT/TASK` (SPLIT train or held_out, TASK a task or a kind of it).

    Raises InputError for a broken file and for missing videos.
    """
    file = toyworld_samples(path, toyworld) if path.startswith(TOYWORLD) else Path(path)
    samples = load_samples(file)
    require_videos(samples)
    return samples


def load_sources(sources: Sequence[Source], toyworld: ToyworldConfig) -> list[list[Sample]]:
    return [load_source(source.path, toyworld) for source in sources]


def toyworld_samples(spec: str, toyworld: ToyworldConfig) -> Path:
    """Generate what `spec` names unless an earlier run did; returns the samples file."""
    from reeltune.toyworld.generate import generate

    split, slash, task = spec.removeprefix(TOYWORLD).partition("/")
    if split not in ("train", "held_out") or not slash:
        raise InputError(f"toyworld data must look like toyworld:train/TASK or toyworld:held_out/TASK; got {spec!r}")
    videos = toyworld.train_videos if split == "train" else toyworld.held_out_videos
    folder = Path(toyworld.dir) / f"{split}-{task.replace('/', '-')}-{videos}-seed{toyworld.seed}"
    file = folder / f"{split}.jsonl"
    if not file.exists():
        generate(folder, videos=videos, split=split, seed=toyworld.seed, tasks=[task])  # type: ignore[arg-type]
    return file


def resolve_model(spec: str) -> Path:
    """The directory of a model: a path, or `toyworld:base`, the small model that ships in the package."""
    if spec == "toyworld:base":
        return Path(__file__).parent / "toyworld" / "base"
    if spec.startswith(TOYWORLD):
        raise InputError(f"model.path: the shipped model is toyworld:base; got {spec!r}")
    return Path(spec)
