"""The files of a run directory that grow: metrics, timings, rollouts. Exact under resume.

`metrics.jsonl` holds only what the seed determines, so that a resumed run writes the same bytes as one that
was never stopped; wall-clock times stand apart in `timings.jsonl`.
"""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reeltune.errors import InputError
from reeltune.files import append_lines, discard_leftovers, whole_lines, write_jsonl, write_text
from reeltune.training.trackers import Tracker, table_of

# Files to which every process appends what it meets.
SHARED = ("quarantine.jsonl", "quarantine-eval.jsonl", "reward-faults.jsonl")


class Journal:
    """Appends to a run directory; on resume first forgets every line after the checkpoint's step, all at step 0."""

    def __init__(
        self,
        run: Path,
        *,
        resume_step: int | None,
        trackers: Sequence[Tracker] = (),
        groups_every: int = 0,
        videos: Mapping[str, Path] | None = None,
    ) -> None:
        self.run = run
        self.trackers, self.groups_every, self.videos = trackers, groups_every, videos or {}
        run.mkdir(parents=True, exist_ok=True)
        discard_leftovers(run)
        for name in ("metrics.jsonl", "timings.jsonl", "watch.jsonl"):
            _truncate(run / name, resume_step)
        for path in run.glob("*/step-*.jsonl"):
            step = re.fullmatch(r"step-(\d+)\.jsonl", path.name)
            if step and (resume_step is None or int(step[1]) > resume_step):
                path.unlink()

    def metrics(self, step: int, values: Mapping[str, float | int | None]) -> None:
        """One line; keys are sorted, NaN is an error."""
        _append(self.run / "metrics.jsonl", {"step": step, **dict(sorted(values.items()))})
        for tracker in self.trackers:
            tracker.log(step, {name: value for name, value in values.items() if value is not None})

    def timing(self, step: int, values: Mapping[str, float]) -> None:
        """One line of what another run would take another time for; trackers get it beside the metrics."""
        _append(
            self.run / "timings.jsonl",
            {"step": step, **{name: round(value, 4) for name, value in values.items()}},
        )
        for tracker in self.trackers:
            tracker.log(step, {f"time/{name}": value for name, value in values.items()})

    def warning(self, step: int, text: str) -> None:
        """What the watch had to say after a step."""
        _append(self.run / "watch.jsonl", {"step": step, "warning": text})

    def rollouts(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        write_jsonl(self.run / "rollouts" / f"step-{step:06d}.jsonl", rows)
        if self.trackers and self.groups_every and step % self.groups_every == 0:
            columns, cells = table_of(rows, self.videos)
            for tracker in self.trackers:
                tracker.groups(step, columns, cells)

    def answers(self, step: int, rows: Sequence[Mapping[str, Any]]) -> None:
        """What an evaluation was answered, as `reeltune score` reads it."""
        write_jsonl(self.run / "answers" / f"step-{step:06d}.jsonl", rows)

    def close(self) -> None:
        for tracker in self.trackers:
            tracker.close()


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """The whole lines of a journal; a last line cut off by a kill is not there yet.

    InputError for a line that is none, or whose step is no step.
    """
    return [_row(path, number, line) for number, line in enumerate(_lines(path), start=1)]


def count_lines(run: Path) -> dict[str, int]:
    """How long the files that several processes append to are now; a checkpoint remembers it."""
    return {name: len(_lines(run / name)) for name in SHARED}


def cut_lines(run: Path, counts: Mapping[str, int]) -> None:
    """Bring them back to what they were at a checkpoint: what comes after it is found again, and counted again."""
    for name in SHARED:
        if (run / name).exists():
            kept = _lines(run / name)[: counts.get(name, 0)]
            write_text(run / name, "".join(f"{line}\n" for line in kept)) if kept else (run / name).unlink()


def _truncate(path: Path, step: int | None) -> None:
    if path.exists():
        lines = _lines(path)
        kept = [line for number, line in enumerate(lines, 1) if step and _row(path, number, line)["step"] <= step]
        write_text(path, "".join(f"{line}\n" for line in kept))


def _append(path: Path, row: Mapping[str, Any]) -> None:
    append_lines(path, [json.dumps(row, allow_nan=False)])


def _lines(path: Path) -> list[str]:
    return whole_lines(path) if path.exists() else []


def _row(path: Path, number: int, line: str) -> dict[str, Any]:
    try:
        row: dict[str, Any] = json.loads(line)
        step = row["step"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path}, line {number}: not a journal entry ({error!r}); restore the file") from None
    if isinstance(step, bool) or not isinstance(step, int) or step < 0:
        raise InputError(
            f"{path}, line {number}: a step must be an integer of at least 0; got {step!r}; restore the file"
        )
    return row
