"""Samples that cannot be used are set aside, named and counted; a run with too many of them stops."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from reeltune.errors import InputError
from reeltune.files import write_text

REASONS_SHOWN = 3


class Quarantine:
    """The samples set aside, one JSON line each: {"id", "video", "reason"}.

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
        if path.exists():
            self._read()

    def __len__(self) -> int:
        return len(self._reasons)

    def __contains__(self, sample_id: object) -> bool:
        return sample_id in self._reasons

    def add(self, sample_id: str, video: Path | str, reason: str) -> None:
        """Set a sample aside. The second time for the same sample does nothing."""
        if sample_id in self._reasons:
            return
        row = {"id": sample_id, "video": str(video), "reason": reason}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # One write call in append mode: lines of two processes never mix.
        with self.path.open("ab", buffering=0) as file:
            file.write((json.dumps(row, ensure_ascii=False) + "\n").encode())
            os.fsync(file.fileno())
        self._reasons[sample_id] = reason

    @property
    def entries(self) -> list[tuple[str, str]]:
        """Sample id and reason of all that were set aside."""
        return list(self._reasons.items())

    def learn(self, entries: Iterable[tuple[str, str]]) -> None:
        """Know of what other processes have set aside and written already."""
        for sample_id, reason in entries:
            self._reasons.setdefault(sample_id, reason)

    def check(self, total: int) -> None:
        """Raise InputError when more than `max_share` of `total` samples are set aside."""
        if total < 1:
            raise ValueError(f"total must be at least 1, got {total}")
        share = len(self) / total
        if share <= self.max_share:
            return
        shown = "".join(f"\n  {key}: {reason}" for key, reason in list(self._reasons.items())[:REASONS_SHOWN])
        raise InputError(
            f"{len(self)} of {total} samples ({share:.1%}) cannot be used; at most "
            f"{self.max_share:.1%} may. All are listed in {self.path}. The first:{shown}\n"
            "Fix or remove them, or allow a larger share (video.max_broken_share)."
        )

    def _read(self) -> None:
        text = self.path.read_text(encoding="utf-8", errors="replace")
        whole, _, cut = text.rpartition("\n")
        if cut:
            write_text(self.path, whole + "\n" if whole else "")
        for number, line in enumerate(whole.split("\n") if whole else [], start=1):
            try:
                row = json.loads(line)
                self._reasons.setdefault(row["id"], row["reason"])
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{self.path}, line {number}: not a quarantine entry ({error}); fix or delete the file"
                ) from error
