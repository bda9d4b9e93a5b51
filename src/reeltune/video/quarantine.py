"""Samples that cannot be used are set aside, named and counted; a run with too many of them stops."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from reeltune.errors import InputError, SampleError
from reeltune.files import append_lines, write_text
from reeltune.sample import Fault, Sample

REASONS_SHOWN = 3


class Quarantine:
    """The samples set aside, one JSON line each: {"id", "video", "reason"}, and "line" where the line makes no sample.

    A file that is already there is read first, so a resumed run goes on with its count and writes no line
    twice. A last line cut by a kill is dropped. Raises InputError when `max_share` is not within 0..1 or a
    line is not one of ours.
    """

    def __init__(self, path: Path, max_share: float) -> None:
        if not 0 <= max_share <= 1:
            raise InputError(f"quarantine: max_share must be within 0..1, got {max_share}")
        self.path = path
        self.max_share = max_share
        self._reasons: dict[str, str] = {}
        self._lines: set[str] = set()
        if path.exists():
            self._read()

    def __len__(self) -> int:
        return len(self._reasons)

    def __contains__(self, sample_id: object) -> bool:
        return sample_id in self._reasons

    def add(self, sample_id: str, video: Path | str, reason: str) -> None:
        """Set a sample aside. The second time for the same sample does nothing."""
        self._write(sample_id, {"id": sample_id, "video": str(video), "reason": reason})

    def set_aside(self, sample: Sample, error: SampleError) -> None:
        """Set a sample aside for what its video or its prompt turned out to be."""
        self.add(sample.id, sample.media_name, f"{sample.where}: {error}" if sample.where else str(error))

    def take(self, faults: Iterable[Fault], *, write: bool = True) -> None:
        """Set aside what was found when the samples were read; `write` is for one of several processes."""
        for fault in faults:
            if fault.line is not None:
                self._lines.add(fault.id)
            row: dict[str, object] = {"id": fault.id, "video": fault.video, "reason": fault.reason}
            if write:
                self._write(fault.id, row if fault.line is None else row | {"line": fault.line})
            self._reasons.setdefault(fault.id, fault.reason)

    def _write(self, name: str, row: dict[str, object]) -> None:
        if name in self._reasons:
            return
        append_lines(self.path, [json.dumps(row, ensure_ascii=False)])
        self._reasons[name] = str(row["reason"])

    @property
    def entries(self) -> list[tuple[str, str]]:
        """Sample id and reason of all that were set aside."""
        return list(self._reasons.items())

    def learn(self, entries: Iterable[tuple[str, str]]) -> None:
        """Know of what other processes have set aside and written already."""
        for sample_id, reason in entries:
            self._reasons.setdefault(sample_id, reason)

    def check(self, total: int) -> None:
        """Raise InputError when more than `max_share` of the samples are set aside: see `require_share`.

        total: the samples that keep the contract; lines that make none come on top.
        """
        if total < 1:
            raise ValueError(f"total must be at least 1, got {total}")
        require_share(self._reasons, total + len(self._lines), self.max_share, f"All are listed in {self.path}.")

    def _read(self) -> None:
        text = self.path.read_text(encoding="utf-8", errors="replace")
        whole, _, cut = text.rpartition("\n")
        if cut:
            write_text(self.path, whole + "\n" if whole else "")
        for number, line in enumerate(whole.split("\n") if whole else [], start=1):
            try:
                row = json.loads(line)
                self._reasons.setdefault(row["id"], row["reason"])
                if "line" in row:
                    self._lines.add(row["id"])
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{self.path}, line {number}: not a quarantine entry ({error}); fix or delete the file"
                ) from error


def require_share(reasons: Mapping[str, str], total: int, max_share: float, listed: str = "") -> None:
    """InputError when more than `max_share` of `total` samples cannot be used, by `reasons`: id -> reason.

    A single one never stops anything, unless the share is 0 or it was the only one.
    """
    found = len(reasons)
    if found <= max_share * total or (found == 1 < total and max_share > 0):
        return
    # A line without an id goes by its place, with which its reason begins too.
    first = [why if why.startswith(f"{key},") else f"{key}: {why}" for key, why in reasons.items()]
    shown = "".join(f"\n  {each}" for each in first[:REASONS_SHOWN])
    raise InputError(
        f"{found} of {total} samples ({found / total:.1%}) cannot be used; at most {max_share:.1%} may. {listed} "
        f"The first:{shown}\nFix or remove them (reeltune data check --fix), or allow a larger share "
        "(video.max_broken_share)."
    )
