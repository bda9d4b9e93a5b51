"""Reward functions that raise: a fault of that sample, named and counted; too many of them stop the run."""

import json
import sys
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path

from reeltune.errors import InputError, shown
from reeltune.files import append_lines

PRINTED = 3
"""Faults that are printed as they happen; all are counted, and kept in the file."""


@dataclass(frozen=True)
class Fault:
    """`error`: what was raised, and where. `completion`: shortened; of a whole group its first one."""

    reward: str
    sample: str
    completion: str
    error: str

    def __str__(self) -> str:
        return f"reward {self.reward!r} of sample {self.sample!r} raised {self.error}; completion {self.completion}"


class RewardFaults:
    """Counts the calls of reward functions and those that raised, over a run; `file` keeps one JSON line each."""

    def __init__(self, max_share: float = 0.05, file: Path | None = None) -> None:
        self.max_share = max_share
        self.file = file
        self.calls = 0
        self.faults: list[Fault] = []

    def __len__(self) -> int:
        return len(self.faults)

    def add(self, reward: str, sample: str, completion: str, error: Exception) -> None:
        fault = Fault(reward, sample, shown(completion, 200), _told(error))
        self.faults.append(fault)
        if len(self) <= PRINTED:
            more = "; further faults are only counted" if len(self) == PRINTED else ""
            print(f"reeltune: {fault}: the completion is excluded from its group{more}", file=sys.stderr)
        if self.file:
            append_lines(self.file, [json.dumps(asdict(fault), ensure_ascii=False)])

    def check(self) -> None:
        """InputError when more than `max_share` of the calls raised: judged from the first step on where all did, or
        none may, and otherwise once there were enough calls for one fault to be within the share."""
        enough = len(self) == self.calls or self.calls * self.max_share >= 1 or self.max_share == 0
        if not self.faults or not enough or len(self) <= self.max_share * self.calls:
            return
        listed = f"All are listed in {self.file}. " if self.file else ""
        raise InputError(
            f"{len(self)} of {self.calls} calls of reward functions raised ({len(self) / self.calls:.1%}); the "
            "limit is "
            f"rewards.max_fault_share={self.max_share:g}. {listed}The last: {self.faults[-1]}. "
            "Fix the function, or allow a larger share"
        )


def _told(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({frames[-1].filename}, line {frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"
