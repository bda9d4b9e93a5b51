"""The rows of the doctor's table. A check never raises: what went wrong is its finding."""

import importlib.metadata
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from reeltune.distributed.world import COMMAND
from reeltune.doctor.attention import attention_errors
from reeltune.doctor.two_layers import parity
from reeltune.models._transformers import TESTED

PACKAGES = ("torch", "transformers", "safetensors", "numpy", "av", "peft")
OPTIONAL = ("bitsandbytes", "flash-attn")
LAUNCH_SECONDS = 300


@dataclass(frozen=True)
class Finding:
    """One row: what was looked at, whether it is as it should be (None: could not be looked at here), what was seen."""

    what: str
    ok: bool | None
    seen: str
    advice: str = ""


def examine() -> Iterator[Finding]:
    """All checks, one after the other, cheapest first."""
    yield from versions()
    yield from devices()
    for device in usable_devices():
        yield from attention(device)
        yield _guarded(f"two-layer Qwen2.5-VL on {device}", partial(parity, torch.device(device)))
    yield several_processes()


def versions() -> list[Finding]:
    rows = [Finding("python", sys.version_info >= (3, 11), platform.python_version(), "use Python 3.11 or newer")]
    for name in PACKAGES:
        version = _version(name)
        rows.append(Finding(name, version is not None, version or "missing", f"pip install {name}"))
    rows.append(Finding("transformers' tested range", None, TESTED))
    rows += [Finding(f"{name} (optional)", None, _version(name) or "not installed") for name in OPTIONAL]
    return rows


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def usable_devices() -> list[str]:
    return ["cpu", *(f"cuda:{index}" for index in range(torch.cuda.device_count()))]


def devices() -> list[Finding]:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    rows = [Finding("cpu", True, f"{os.cpu_count()} cores, {torch.get_num_threads()} threads, {memory:.1f} GiB")]
    if not torch.cuda.is_available():
        built = f"CUDA {torch.version.cuda}" if torch.version.cuda else "without CUDA"
        advice = "for a GPU: nvidia-smi must see it, and PyTorch must be a CUDA build"
        rows.append(Finding("gpu", None, f"none; this PyTorch is built {built}", advice))
    for index in range(torch.cuda.device_count()):
        card = torch.cuda.get_device_properties(index)
        free, total = (size / 2**30 for size in torch.cuda.mem_get_info(index))
        seen = f"{card.name}, {free:.1f} of {total:.1f} GiB free, compute capability {card.major}.{card.minor}"
        advice = "another program is using the memory of this GPU: see nvidia-smi"
        rows.append(Finding(f"gpu {index}", free > 0.8 * total, seen, advice))
    return rows


def attention(device: str) -> list[Finding]:
    """Providers x types x layouts on a device against the definition in float64."""
    rows = []
    for case in attention_errors(torch.device(device)):
        what = f"attention on {device}: {case.provider}, {case.dtype}, {case.layout}"
        if case.error is None:
            rows.append(Finding(what, False, case.failure, "report this table; until then use model.attention=eager"))
        else:
            advice = (
                "the attention kernel of this PyTorch gives other results: use the tested version (constraints.txt)"
            )
            seen = f"{case.error:.1e} from the definition (at most {case.limit:.0e})"
            rows.append(Finding(what, case.error <= case.limit, seen, advice))
    return rows


def several_processes(command: Sequence[str] | None = None) -> Finding:
    """Sum and sharded gradients over all local GPUs, or over two processes of the CPU."""
    gpus = torch.cuda.device_count()
    count, backend = (gpus, "NCCL") if gpus else (2, "gloo")
    what = f"FSDP2 over {count} processes, {backend}"
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(count)]
    try:
        done = subprocess.run(
            [*launch, "-m", "reeltune.doctor.sharded"] if command is None else list(command),
            capture_output=True,
            text=True,
            timeout=LAUNCH_SECONDS,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
            cwd=tempfile.gettempdir() if command else Path.cwd(),
        )
    except subprocess.TimeoutExpired:
        advice = (
            "processes cannot reach each other: check the firewall and the network interface "
            "(NCCL_SOCKET_IFNAME, GLOO_SOCKET_IFNAME)"
        )
        return Finding(what, False, f"did not finish within {LAUNCH_SECONDS} s", advice)
    if done.returncode == 0:
        return Finding(what, True, done.stdout.strip().splitlines()[-1] if done.stdout.strip() else "done")
    # A process's own error, or how it ended; torchrun's traceback says neither.
    own = [line for line in done.stderr.splitlines() if "Error" in line and "ChildFailedError" not in line]
    lines = own or [line for line in done.stderr.splitlines() if "exitcode" in line]
    advice = f"set NCCL_DEBUG=INFO for details; the launcher is {COMMAND}"
    return Finding(what, False, (lines or ["ended with an error"])[0].strip()[:200], advice)


def _guarded(what: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, look())
    except Exception as error:  # every fault of a machine is a finding
        return Finding(what, False, f"{type(error).__name__}: {error}"[:300], "use a tested version (constraints.txt)")
