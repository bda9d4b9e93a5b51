"""The tests themselves: a claim of ours, a patch that makes it untrue, and the test that must fail then.

Each is tried on a copy of the project. A patch that no longer fits is wrong too: the table must follow the code.
"""

import os
import random
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from faults.commands import ROOT
from faults.table import Row

COPIED = ("src", "tests", "faults", "recipes", "scripts", "lantnet", "docs", "examples", "pyproject.toml", "README.md")


@dataclass(frozen=True)
class Claim:
    """`old` becomes `new` in `file`, below src/reeltune; then `test` must fail."""

    says: str
    file: str
    old: str
    new: str
    test: str


CLAIMS = (
    Claim(
        "a file's content is synced before its name", "files.py",
        "            if sync:\n                _sync(temporary)\n", "", "tests/test_files.py",
    ),
    Claim(
        "a half-written file never has the name", "files.py",
        "    temporary = partial_folder(path)\n    with _named(path, temporary):\n        handle = _claim(temporary)",
        "    temporary = path\n    with _named(path, temporary):\n        handle = _claim(temporary)",
        "tests/test_files.py",
    ),
    Claim(
        "a torn line is cut off before the next", "files.py", "        size = _cut_torn_line(file)",
        "        size = path.stat().st_size", "tests/test_files.py",
    ),
    Claim(
        "two processes never hold one lock", "files.py",
        "        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)", "        pass", "tests/test_lock.py",
    ),
    Claim(
        "a changed byte of a checkpoint is found", "training/manifest.py", "_digest(there[name]) != digest", "False",
        "tests/training/test_manifest.py",
    ),
    Claim(
        "the last stated answer counts", "answers/statement.py",
        "    return _Course(event, denied=course.denied, replaced=alike)",
        "    return _Course(current or event, denied=course.denied, replaced=alike)",
        "tests/answers/test_corpus.py",
    ),
    Claim(
        "a denied answer earns nothing", "answers/standing.py", "        return Stand(Standing.DENIED, hedged)",
        "        return Stand(Standing.BARE, hedged)", "tests/answers/test_corpus.py",
    ),
    Claim(
        "reading has a length cap", "answers/limits.py", "        if len(text) > MAX_CHARACTERS", "        if False",
        "tests/answers/test_limits.py tests/answers/test_linear_time.py",
    ),
    Claim(
        "what FFmpeg complains of is no clip", "video/contained.py", "    if harmful or len(lines) > MOST_NOISE:",
        "    if False:", "tests/video/test_contained.py",
    ),
    Claim(
        "lost packets of a transport stream are found", "video/transport.py", "    if jumps:", "    if False:",
        "tests/video/test_index.py tests/video/test_contained.py",
    ),
    Claim(
        "too many unusable samples stop a run", "video/quarantine.py", "    if found <= max_share * total",
        "    if True or found <= max_share * total", "tests/video/test_quarantine.py",
    ),
    Claim(
        "a judge's key is in nothing that a server echoes", "judges/endpoint.py",
        '            text = text.replace(form, "(key)")', "            pass", "tests/judges/test_endpoint.py",
    ),
    Claim(
        "rewards that raise stop a run at their share", "rewards/faults.py",
        "        if not self.faults or not enough or", "        if True or not self.faults or not enough or",
        "tests/rewards/test_faults.py",
    ),
    Claim(
        "advantages are centered on their group", "training/grpo.py", "(rewards - mean).masked_fill",
        "(rewards - 0 * mean).masked_fill", "tests/training/test_grpo.py",
    ),
    Claim(
        "numbers that are not finite are named", "training/faults.py",
        "        if tensor is not None and not bool(torch.isfinite(tensor).all()):", "        if False:",
        "tests/training/test_faults.py",
    ),
    Claim(
        "a resumed run has the settings it began with", "training/resume.py", "    if refused:", "    if False:",
        "tests/training/test_resume.py",
    ),
    Claim(
        "a changed medium is told by its digest", "rollout/reader.py", "        require_recorded(sample)\n", "",
        "tests/data/test_digests.py",
    ),
    Claim(
        "an import records digests", "data/import_.py", "        record_digests(rows, output.parent)", "        pass",
        "tests/data/test_digests.py",
    ),
    Claim(
        "check sums of Matroska are compared", "video/matroska.py",
        "            if zlib.crc32(file.read(size - 6)) != stated:", "            if False:",
        "tests/video/test_matroska.py",
    ),
    Claim(
        "a cut file is told", "video/index.py", "    if there < declared - tolerance:", "    if False:",
        "tests/video/test_index.py",
    ),
    Claim(
        "a hole of zeros is told", "video/index.py", "    if codec in NO_ZEROS and HOLE", "    if False and HOLE",
        "tests/video/test_contained.py tests/video/test_index.py",
    ),
    Claim(
        "a key in a wrong place is not repeated", "config/errors.py",
        '    return "(not repeated here)" if', "    return value if",
        "tests/config/test_recipe.py",
    ),
    Claim(
        "a judgment without an answer is no 0", "tasks/open_ended.py", "rows.append(None if rating is None else",
        'rows.append({"correct": 0.0} if rating is None else', "tests/tasks/test_open_ended.py",
    ),
    Claim(
        "a lock of another host that beats is respected", "lock.py",
        "        if taken is False or (unsure and _beats(handle)):".strip(), "if taken is False:", "tests/test_lock.py",
    ),
    Claim(
        "one deadline holds for the whole of a request", "http.py", "asyncio.timeout(timeout_s),",
        "asyncio.timeout(timeout_s + 60),", "tests/judges/test_endpoint.py",
    ),
    Claim(
        "the newest whole checkpoint is used", "training/checkpoint.py",
        "        if damage is None:", "        if True:",
        "tests/training/test_resume.py tests/training/test_manifest.py",
    ),
    Claim(
        "a damaged checkpoint is set aside", "training/checkpoint.py", "            os.replace(checkpoint, aside)",
        "            pass", "tests/training/test_resume.py tests/training/test_manifest.py",
    ),
    Claim(
        "changed samples, models and code are refused", "training/resume.py",
        "    if lines:\n        raise InputError(",
        "    if False:\n        raise InputError(", "tests/training/test_resume.py tests/training/test_manifest.py",
    ),
)  # fmt: skip


def claims(scratch: Path, *, seconds: float, seed: int) -> list[Row]:
    """As many as the time allows, in an order drawn by the seed; at least one."""
    copy = scratch / "copy"
    copy.mkdir()
    for name in COPIED:
        place = ROOT / name
        ignored = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
        shutil.copytree(place, copy / name, ignore=ignored) if place.is_dir() else shutil.copy(place, copy / name)
    row = Row("tests", "claims whose test fails without their subject")
    end = time.monotonic() + seconds
    for claim in random.Random(seed).sample(CLAIMS, len(CLAIMS)):
        if row.tried and time.monotonic() > end:
            break
        row.took(_tried(copy, claim))
    row.note = f"of {len(CLAIMS)} in faults/claims.py"
    return [row]


def _tried(copy: Path, claim: Claim) -> str | None:
    file = copy / "src" / "reeltune" / claim.file
    whole = file.read_text(encoding="utf-8")
    if whole.count(claim.old) != 1:
        return f"{claim.says}: the patch fits {whole.count(claim.old)} places of {claim.file}"
    file.write_text(whole.replace(claim.old, claim.new), encoding="utf-8")
    try:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "pytest",
                "-q",
                "-x",
                "-p",
                "no:cacheprovider",
                "-m",
                "not slow",
                *claim.test.split(),
            ],
            cwd=copy,
            env=os.environ | {"PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            timeout=900,
            check=False,
        )
    finally:
        file.write_text(whole, encoding="utf-8")
    # 1: tests failed; what cannot even be collected is 2.
    return (
        None
        if done.returncode == 1
        else f"{claim.says}: {claim.test} says nothing: {done.stdout[-300:]}{done.stderr[-300:]}"
    )
