"""Where a recipe's data and models come from: paths, or `toyworld:...` made on demand."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from reeltune.config.answering import recipe_file
from reeltune.config.recipe import Source, ToyworldConfig
from reeltune.errors import InputError
from reeltune.hub import local_model
from reeltune.sample import Fault, Sample, missing_videos
from reeltune.tasks import load_usable
from reeltune.video.quarantine import require_share

TOYWORLD = "toyworld:"
TOYWORLD_SPLITS = ("train", "held_out", "held_out_long", "held_out_many", "held_out_colors")
_TOYWORLD_FILES = Path(__file__).parents[1] / "toyworld"
BASES = {1: _TOYWORLD_FILES / "base", 2: _TOYWORLD_FILES / "second" / "base"}
"""The small models that ship in the package, by the edition of toyworld that each was trained for."""


@dataclass(frozen=True)
class Pool:
    """The samples of some sources that keep the contract, and what is wrong with the others and with some of these.

    The one law for faulty samples, in training, evaluation and selection: named by file, line and id, set aside,
    counted, and bounded by one share. `lines`: of lines that make no sample; `missing`: of samples without a video.
    What shows only later, when a video is decoded or a prompt made, goes the same way: into the `Quarantine` that took
    `faults`.
    """

    sources: list[list[Sample]]
    lines: list[Fault]
    missing: list[Fault]

    @property
    def samples(self) -> list[Sample]:
        return [sample for source in self.sources for sample in source]

    @property
    def faults(self) -> list[Fault]:
        return [*self.lines, *self.missing]

    def require(self, max_share: float) -> "Pool":
        """Itself; InputError when more than this share of it has a fault."""
        reasons = {fault.id: fault.reason for fault in self.faults}
        require_share(reasons, len({sample.id for sample in self.samples}) + len(self.lines), max_share)
        return self


def load_source(path: str, toyworld: ToyworldConfig) -> Pool:
    """A file, or `toyworld:SPLIT/TASK` (train or held_out; a task or a kind of it), or a lesson.

    Raises InputError for a file that cannot be read.
    """
    file = toyworld_samples(path, toyworld) if path.startswith(TOYWORLD) else Path(path)
    loaded = load_usable(file)
    return Pool([loaded.samples], loaded.faults, missing_videos(loaded.samples))


def load_sources(sources: Sequence[Source], toyworld: ToyworldConfig) -> Pool:
    """The samples of each source. Raises InputError also where two different samples have one id.

    Rollouts, quarantine and the history of prompts know a sample by its id. One file may be given twice.
    """
    pools = [load_source(source.path, toyworld) for source in sources]
    known: dict[str, tuple[Sample, str]] = {}
    for source, pool in zip(sources, pools, strict=True):
        for sample in pool.samples:
            other, path = known.setdefault(sample.id, (sample, source.path))
            if other != sample:
                raise InputError(
                    f"sample ids must be unique within a run; {sample.id!r} is in {path} and, as another sample, "
                    f"in {source.path}. Rename the ids in one of the two files"
                )
    lines = {fault.id: fault for pool in pools for fault in pool.lines}
    missing = {fault.id: fault for pool in pools for fault in pool.missing}
    return Pool([pool.samples for pool in pools], list(lines.values()), list(missing.values()))


def toyworld_samples(spec: str, toyworld: ToyworldConfig) -> Path:
    """Generate what `spec` names unless an earlier run did; returns the samples file."""
    from reeltune.toyworld.editions import EDITIONS

    file = toyworld_file(spec, toyworld)
    if file.exists():
        return file
    split, name = _split_and_name(spec)
    edition = EDITIONS[toyworld.edition]
    if split == "lesson":
        return edition.write_lesson(file.parent, name, seed=toyworld.seed)
    videos = toyworld.train_videos if split == "train" else toyworld.held_out_videos
    return edition.generate(file.parent, split, name, videos=videos, seed=toyworld.seed)


def toyworld_file(spec: str, toyworld: ToyworldConfig) -> Path:
    """Where the samples that `spec` names stand, once they are generated."""
    split, name = _split_and_name(spec)
    root = Path(toyworld.dir) / ("" if toyworld.edition == 1 else f"edition-{toyworld.edition}")
    if split == "lesson":
        return root / f"lesson-{name}-seed{toyworld.seed}" / "train.jsonl"
    videos = toyworld.train_videos if split == "train" else toyworld.held_out_videos
    folder = f"{split}-{name.replace('/', '-')}-{videos}-seed{toyworld.seed}"
    return root / folder / f"{split}.jsonl"


def _split_and_name(spec: str) -> tuple[str, str]:
    split, slash, name = spec.removeprefix(TOYWORLD).partition("/")
    if split not in (*TOYWORLD_SPLITS, "lesson") or not slash:
        raise InputError(
            "toyworld data must look like toyworld:train/TASK, toyworld:held_out/TASK or toyworld:lesson/NAME; "
            f"got {spec!r}. In the second edition also {', '.join(TOYWORLD_SPLITS[2:])}"
        )
    return split, name


def asked_by(given: Path | None, model: str) -> Path | None:
    """The recipe that a model is asked by: the one given, else what the model's own folder remembers; None: neither."""
    if given:
        return given
    return recipe_file(None, BASES[1] if model == "toyworld:base" else local_model(model, weights=False))


def resolve_model(spec: str, toyworld: ToyworldConfig) -> Path:
    """The directory of a model: a path; a name on the Hugging Face Hub, `owner/name` or `owner/name@revision`;
    `toyworld:base`, the small model of the edition that ships in the package; or `toyworld:new`, the same one with
    random weights, before its first lesson.
    """
    if spec == "toyworld:base":
        return BASES[toyworld.edition]
    if spec == "toyworld:new":
        from reeltune.toyworld.editions import EDITIONS

        edition = "" if toyworld.edition == 1 else f"edition-{toyworld.edition}-"
        directory = Path(toyworld.dir) / f"{edition}new-model-seed{toyworld.seed}"
        if not directory.exists():
            EDITIONS[toyworld.edition].new_model(directory, seed=toyworld.seed)
        return directory
    if spec.startswith(TOYWORLD):
        raise InputError(f"model.path: the toyworld models are toyworld:base and toyworld:new; got {spec!r}")
    return local_model(spec)
