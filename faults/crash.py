"""Crash points: before the k-th file operation of a command the process is killed, or the operation fails; then the
command is given again, killed once more or not, and the whole directory is compared with that of a run never stopped.

Operations are those that CPython's audit hooks tell of, below the working folder. Each try is a fork of this process,
in which everything heavy is imported already.
"""

import errno
import hashlib
import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from faults.table import Row

EVENTS = {
    "open", "os.rename", "os.remove", "os.mkdir", "os.rmdir", "shutil.rmtree", "os.utime", "os.chmod", "os.truncate",
    "os.link", "os.symlink",
}  # fmt: skip
FAULTS: dict[str, int | None] = {
    "kill": None,
    "disk full": errno.ENOSPC,
    "I/O error": errno.EIO,
    "read-only": errno.EROFS,
}
TIMES = ("timings.jsonl", "report.html", "judge.json", "environment.json")
"""What holds clock times, or counts starts."""
ROOT = Path(__file__).parents[1]


@dataclass
class Hook:
    """What the audit hook of a forked child does."""

    root: str = ""
    at: int = 0
    fault: str = "kill"
    count: int = 0
    log: int = -1

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.root or event not in EVENTS or not self._writes(event, arguments):
            return
        self.count += 1
        if self.log >= 0:
            os.write(self.log, f"{event} {arguments[0]}\n".encode())
        if self.count == self.at:
            number = FAULTS[self.fault]
            if number is None:
                os.kill(os.getpid(), signal.SIGKILL)
            else:
                raise OSError(number, os.strerror(number), str(arguments[0]))

    def _writes(self, event: str, arguments: tuple[object, ...]) -> bool:
        target = arguments[0]
        if not isinstance(target, str | bytes | os.PathLike):
            return False
        flags = arguments[2] if event == "open" and len(arguments) > 2 else os.O_WRONLY
        writes = isinstance(flags, int) and flags & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        name = os.path.abspath(os.fsdecode(target))
        return bool(writes) and name.startswith(self.root)


HOOK = Hook()
sys.addaudithook(lambda event, arguments: HOOK(event, arguments))


@dataclass(frozen=True)
class Campaign:
    """`again`: the command that goes on, from the folder as the fault left it."""

    name: str
    command: list[str]
    again: Callable[[Path], list[str]]


def crash(scratch: Path, *, seconds: float, seed: int) -> list[Row]:
    import reeltune.cli
    import reeltune.evaluation.runner
    import reeltune.selection.sampling
    import reeltune.training.train  # noqa: F401

    campaigns = _campaigns(scratch)
    return [row for each in campaigns for row in _try(each, scratch, seconds / len(campaigns), seed)]


def _campaigns(scratch: Path) -> list[Campaign]:
    toy = [
        f"toyworld.dir={scratch / 'toy'}", "toyworld.train_videos=24", "toyworld.held_out_videos=6",
        f"video.cache={scratch / 'cache'}", "rl.max_new_tokens=12", "eval.max_new_tokens=12",
    ]  # fmt: skip
    run = [*toy, "run.dir=out", "eval.every=2", "checkpoint.keep=1", "checkpoint.every=1"]
    grpo = [str(ROOT / "recipes/toy/grpo.yaml"), "rl.steps=3", "rl.groups_per_step=2", "rl.group_size=4"]
    sft = [str(ROOT / "recipes/toy/sft.yaml"), "sft.steps=3", "sft.samples_per_step=2"]
    commands = {
        "train grpo": ["train", *grpo, *run],
        "train grpo, skipping": ["train", *grpo, *run, "rl.skipping={max_resampled: 2, explore: 0.9}"],
        "train sft": ["train", *sft, *run],
        "train sft, LoRA": ["train", *sft, *run, "adapter={rank: 4}"],
        "select": [
            "select", str(ROOT / "recipes/toy/select.yaml"), "-o", "out", "select.repeats=4", "select.batch_size=4",
            "--min-std", "0", "--min-level", "0", "data.train=toyworld:train/temporal_grounding/visible", *toy,
        ],
        "eval": [
            "eval", "toyworld:base", "toyworld:held_out/temporal_grounding/visible", "-o", "out", "--batch-size", "2",
            "--recipe", str(ROOT / "recipes/toy/grpo.yaml"), *toy,
        ],
    }  # fmt: skip

    def again(command: list[str]) -> Callable[[Path], list[str]]:
        def arguments(folder: Path) -> list[str]:
            return [*command, "--resume"] if command[0] == "train" and (folder / "out").exists() else command

        return arguments

    return [Campaign(name, command, again(command)) for name, command in commands.items()]


def _try(campaign: Campaign, scratch: Path, seconds: float, seed: int) -> list[Row]:
    end = time.monotonic() + seconds
    place = scratch / campaign.name.replace(" ", "-").replace(",", "")
    rows = {fault: Row("crash points", f"{campaign.name}: {fault}") for fault in FAULTS}
    _run(campaign.command, place / "warm", place / "warm.txt")  # the toy world and the caches are there from now on
    log = place / "operations"
    code = _run(campaign.command, place / "whole", place / "whole.txt", log=log)
    if code:
        rows["kill"].took(f"the run without a fault ended with {code}:\n{(place / 'whole.txt').read_text()[-2000:]}")
        return list(rows.values())
    operations = log.read_text().splitlines()
    whole = _digests(place / "whole")
    rng, tried = random.Random(seed), 0
    while time.monotonic() < end or tried < len(FAULTS):
        fault = list(FAULTS)[tried % len(FAULTS)]
        tried += 1
        at = rng.randint(1, len(operations))
        work, said = place / f"work-{tried}", place / f"work-{tried}.txt"
        codes = [_run(campaign.command, work, said, at=at, fault=fault)]
        if rng.random() < 0.3 and codes[-1]:
            codes.append(_run(campaign.again(work), work, said, at=rng.randint(1, len(operations) // 2)))
        if codes[-1]:
            codes.append(_run(campaign.again(work), work, said))
        rows[fault].took(_judge(codes, whole, _digests(work), said, f"before {at}: {operations[at - 1]}"))
    for row in rows.values():
        row.note = f"{len(operations)} file operations"
    return list(rows.values())


def _judge(codes: list[int], whole: dict[str, str], found: dict[str, str], said: Path, where: str) -> str | None:
    text = said.read_text(errors="replace")
    different = [name for name in sorted(whole.keys() | found.keys()) if whole.get(name) != found.get(name)]
    if codes[-1] or different or "Traceback" in text:
        return f"{where}; exit codes {codes}; differ: {different[:5]}\n{text[-1500:]}"
    return None


def _run(
    command: Sequence[str], folder: Path, said: Path, *, at: int = 0, fault: str = "kill", log: Path | None = None
) -> int:
    """The exit code of the command in a fork, in `folder`; minus the signal that ended it."""
    folder.mkdir(parents=True, exist_ok=True)
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.chdir(folder)
            output = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(output, 1)
            os.dup2(output, 2)
            HOOK.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC) if log else -1
            HOOK.root, HOOK.at, HOOK.fault, HOOK.count = str(folder), at, fault, 0
            from reeltune.cli import main

            code = main(list(command))
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 1
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    _, status = os.waitpid(child, 0)
    return os.waitstatus_to_exitcode(status)


def _digests(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.rglob("*")
        if path.is_file() and path.name not in TIMES
    }
