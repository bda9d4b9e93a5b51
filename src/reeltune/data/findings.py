"""What is wrong with a samples file, all of it, not only the first line that breaks a rule."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from reeltune.data.decoded import DURATION_TOLERANCE, Decoder, times_after
from reeltune.data.formats import import_command
from reeltune.errors import InputError, SampleError, VideoError
from reeltune.progress import counted, track
from reeltune.sample import Medium, Sample, missing_videos
from reeltune.tasks import get_task, load_samples, load_usable
from reeltune.tasks.choices import normalized
from reeltune.tasks.spans import PAST_DURATION_TOLERANCE
from reeltune.video.digests import require_recorded

if TYPE_CHECKING:
    from reeltune.video.index import VideoIndex

LATE_TOLERANCE = 0.1
"""Seconds by which pictures may start after their file does: as much as public annotations are rounded (ours)."""
SHOWN = 5


@dataclass
class Report:
    """errors and warnings: kind -> one line for each place."""

    path: Path
    samples: list[Sample] = field(default_factory=list)
    rows: int = 0
    errors: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    warnings: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def text(self) -> str:
        lines = [f"{self.path}: {counted(self.rows, 'row')}, {len(self.samples)} valid"]
        for name, group in (("error", self.errors), ("warning", self.warnings)):
            for kind, places in group.items():
                lines.append(f"{name}: {kind}: {len(places)}")
                lines += [f"    {place}" for place in places[:SHOWN]]
                lines += [f"    ... and {len(places) - SHOWN} more"] if len(places) > SHOWN else []
        return "\n".join(lines if len(lines) > 1 else [*lines, "no errors, no warnings"])

    def as_json(self) -> dict[str, Any]:
        """Every place, not only the first."""
        counts = {"rows": self.rows, "samples": len(self.samples)}
        return {"file": str(self.path), **counts, "errors": dict(self.errors), "warnings": dict(self.warnings)}


def check_samples(
    path: Path,
    *,
    decode: Decoder | bool = False,
    against: Path | None = None,
    prompt_length: Callable[[Sample], int] | None = None,
) -> Report:
    """Everything there is to say about a samples file. InputError when it cannot be read as JSON Lines at all.

    `decode`: decode all media; a `Decoder` does not decode again what it has decoded before. `prompt_length` gives
    the tokens of a sample's prompt or raises SampleError: `PromptCheck.length` of a model.
    """
    if command := import_command(path):
        raise InputError(
            f"{path}: not a samples.jsonl, but a format that can be imported; convert it, with --videos set to the "
            f"folder that its video paths are relative to: {command}"
        )
    report = Report(path)
    _read(report)
    for sample in report.samples:
        _check_sample(sample, report)
    _check_repeats(report)
    _check_videos(report)
    if decode:
        _check_decoding(report, decode if isinstance(decode, Decoder) else Decoder())
        _check_digests(report)
    if prompt_length:
        _check_prompts(report, prompt_length)
    if against:
        _check_leaks(report, load_samples(against), against)
    return report


def _read(report: Report) -> None:
    """Fill in the samples that keep the contract, as a run would have them."""
    loaded = load_usable(report.path)
    report.samples = loaded.samples
    report.rows = len(loaded.samples) + len(loaded.faults)
    for fault in loaded.faults:
        kind = "ids used twice" if fault.repeats else "invalid samples"
        report.errors[kind].append(fault.reason.removeprefix(f"{report.path}, "))


def _check_sample(sample: Sample, report: Report) -> None:
    duration: float | None = getattr(sample, "duration", None)
    for start, end in get_task(sample.task).spans(sample):
        if duration is not None and end > duration + PAST_DURATION_TOLERANCE:
            report.errors["spans end after the video (declared in meta.past_duration)"].append(
                f"id {sample.id!r}: [{start:g}, {end:g}] of {duration:g} s"
            )
    try:
        get_task(sample.task).validate(sample)
    except InputError as error:
        report.errors["gold answers do not earn the full reward"].append(str(error))
    if not sample.all_media:
        report.warnings["samples without a video or image: text only"].append(f"id {sample.id!r}")
    options: Sequence[str] = getattr(sample, "options", ())
    if len({normalized(option) for option in options}) < len(options):
        report.warnings["options repeat each other"].append(f"id {sample.id!r}: {' | '.join(options)}")
    unknown = [f"{key} {value}" for key, value in sample.meta.items() if str(value).startswith("unknown:")]
    if unknown:
        report.warnings["facts were not available at import; import again with the videos"].append(
            f"id {sample.id!r}: {', '.join(unknown)}"
        )


def _check_repeats(report: Report) -> None:
    """The same question about the same video, with the same answer or another one."""
    groups: defaultdict[tuple[object, ...], list[Sample]] = defaultdict(list)
    for sample in report.samples:
        prompt = get_task(sample.task).prompt(sample, "direct")
        groups[sample.task, sample.media_name, sample.system, sample.turns, prompt].append(sample)
    for group in groups.values():
        if len(group) > 1:
            golds = {get_task(sample.task).gold(sample, "direct") for sample in group}
            kind = "questions repeat each other" if len(golds) == 1 else "identical questions with different answers"
            places = ", ".join(f"{sample.id!r} ({sample.where.rpartition(', ')[2]})" for sample in group)
            report.warnings[kind].append(f"ids {places}")


def _by_medium(samples: Iterable[Sample]) -> dict[tuple[Medium, Path], list[Sample]]:
    """What is shown, with the folder of its paths, and by which samples."""
    groups: defaultdict[tuple[Medium, Path], list[Sample]] = defaultdict(list)
    for sample in samples:
        for medium in sample.all_media:
            groups[medium, sample.folder].append(sample)
    return dict(groups)


def _check_videos(report: Report) -> None:
    for fault in missing_videos(report.samples):
        report.errors["videos are missing"].append(fault.reason)


def _check_decoding(report: Report, decoder: Decoder) -> None:
    for (medium, folder), samples in track(_by_medium(report.samples).items(), "decoding", unit="video"):
        if not all(path.exists() for path in medium.files(folder)):
            continue
        try:
            found = decoder.look(medium, folder)
        except VideoError as error:
            kind = "images" if medium.kind == "image" else "videos"
            report.errors[f"{kind} cannot be decoded"].append(f"{error} ({len(samples)} sample(s))")
            continue
        if found.index is not None:
            _check_times(found.index, len(samples), report)
        for sample in samples:
            if found.end is not None and sum(each.kind != "image" for each in sample.all_media) == 1:
                _check_duration(sample, found.end, report)


def _check_digests(report: Report) -> None:
    """Media that are not those whose digests were recorded."""
    for sample in report.samples:
        if all(path.exists() for path in sample.files):
            try:
                require_recorded(sample)
            except VideoError as error:
                report.errors["media have changed since their digests were recorded"].append(
                    f"id {sample.id!r}: {error}"
                )
            except SampleError as error:
                report.errors["number of digests differs from number of media"].append(str(error))


def _check_times(index: "VideoIndex", samples: int, report: Report) -> None:
    """Name a video whose frame numbers and times do not go together, or whose pictures start after its sound."""
    late = float(index.times[0])
    if late > LATE_TOLERANCE:
        report.warnings["video streams start late; times count from the start of the file"].append(
            f"{index.path}: the first frame is shown at {late:.3f} s ({samples} sample(s))"
        )
    if index.is_variable:
        even = np.linspace(late, index.times[-1], len(index.times))
        least, usual, most = index.gaps
        report.warnings["the frame rate varies; video.sampling=time takes frames evenly in time"].append(
            f"{index.path}: {least:.3f} to {most:.3f} s from frame to frame, usually {usual:.3f} s; frames stand up to "
            f"{np.abs(index.times - even).max():.3f} s from where an even rate has them ({samples} sample(s))"
        )


def _check_prompts(report: Report, prompt_length: Callable[[Sample], int]) -> None:
    for sample in track(report.samples, "prompts", unit="sample"):
        try:
            prompt_length(sample)
        except VideoError as error:
            kind = "prompts that cannot be counted because their video is missing or unreadable"
            report.errors[kind].append(f"id {sample.id!r}: {error}")
        except SampleError as error:
            report.errors["prompts that are too long for the model"].append(str(error))


def _check_duration(sample: Sample, length: float, report: Report) -> None:
    stated: float | None = getattr(sample, "duration", None)
    if stated is not None and abs(stated - length) > DURATION_TOLERANCE:
        report.warnings["durations differ from those of the files"].append(
            f"id {sample.id!r}: {stated:g} s stated, {length:g} s in {sample.media_name}"
        )
    if late := times_after(sample, length):
        report.errors["times are after the end of the file"].append(
            f"id {sample.id!r}: {', '.join(f'{time:g}' for time in late)} s, the file ends at {length:g} s"
        )


def _check_leaks(report: Report, others: Sequence[Sample], against: Path) -> None:
    """Ids, videos by path, and videos by content that stand in both files."""
    ids = {sample.id for sample in others}
    for sample in report.samples:
        if sample.id in ids:
            report.warnings[f"ids that are also in {against}"].append(repr(sample.id))
    paths = {path.resolve() for sample in others for path in sample.files}
    own = {path.resolve(): sample for sample in report.samples for path in sample.files}
    same = {path: path for path in own if path in paths}
    for path, other in {**same, **dict(_equal_files(set(own) - paths, paths - set(own)))}.items():
        note = "" if path == other else f" has the content of {other}"
        report.errors[f"leaks: videos that are also in {against}"].append(f"{path}{note} (id {own[path].id!r})")


def _equal_files(first: Iterable[Path], second: Iterable[Path]) -> Iterator[tuple[Path, Path]]:
    """Files of the two sets with equal content; only those of equal size are read."""
    from reeltune.video.clip import video_hash

    sizes: defaultdict[int, list[Path]] = defaultdict(list)
    for path in second:
        if path.is_file():
            sizes[path.stat().st_size].append(path)
    for path in first:
        for other in sizes.get(path.stat().st_size, ()) if path.is_file() else ():
            if video_hash(path) == video_hash(other):
                yield path, other
                break


def counts_by(values: Iterable[Any]) -> dict[Any, int]:
    """How often each value occurs, by value."""
    found: defaultdict[Any, int] = defaultdict(int)
    for value in values:
        found[value] += 1
    return dict(sorted(found.items()))
