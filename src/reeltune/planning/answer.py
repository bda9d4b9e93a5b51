"""Does it fit, what would make it fit, and how long does it take: a recipe's plan in a few lines."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

from reeltune.planning.architecture import Architecture
from reeltune.planning.costs import PromptCost
from reeltune.planning.hardware import GIB, Devices
from reeltune.planning.memory import Memory, Setting, Work, lora_weights, memory, work

UTILISATION = 0.4
"""Share of the makers' operations per second that a learner pass reaches; our assumption, not measured on a GPU."""
BANDWIDTH_SHARE = 0.6
"""Share of the memory's bandwidth that decoding reaches; our assumption."""
RESERVED_GIB = 1.5
"""CUDA, NCCL and kernels' own memory on a device."""
FRAGMENTED = 0.05
"""Share of a device's memory that an allocator loses between its blocks."""


@dataclass(frozen=True)
class Answer:
    """A plan: what `setting` needs on `devices`. Memory in bytes of one device; `work` of a step, over all devices."""

    setting: Setting
    devices: Devices
    memory: Memory
    work: Work
    steps: int
    advice: tuple[str, ...] = ()
    """What to set so that it fits, in order, each on top of those before; none where it fits or nothing helps."""

    @property
    def room(self) -> float:
        """Bytes of one device that tensors may take."""
        return room(self.devices)

    @property
    def fits(self) -> bool:
        return self.memory.peak <= self.room

    @property
    def step_seconds(self) -> float:
        """Of one step on all devices together, computing and decoding one after the other."""
        device = self.devices.device
        computing = self.work.flops / (device.tflops * 1e12 * UTILISATION)
        decoding = self.work.decode_bytes / (device.bandwidth * 1e12 * BANDWIDTH_SHARE)
        return (computing + decoding) / self.devices.count

    @property
    def seconds_per_group(self) -> float:
        """Device seconds of one group."""
        return self.step_seconds * self.devices.count / self.setting.groups

    @property
    def hours(self) -> float:
        return self.steps * self.step_seconds / 3600

    def report(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "devices": asdict(self.devices),
            "memory": asdict(self.memory) | {"standing": self.memory.standing, "peak": self.memory.peak},
            "work": asdict(self.work),
            "fits": self.fits,
            "room": self.room,
            "advice": list(self.advice),
            "gpu_seconds_per_group": self.seconds_per_group,
            "hours": self.hours,
            "assumed": {"utilisation": UTILISATION, "bandwidth_share": BANDWIDTH_SHARE},
        }


def room(devices: Devices) -> float:
    """Bytes of one device that tensors may take."""
    return (devices.device.gib * (1 - FRAGMENTED) - RESERVED_GIB) * GIB


def answer(architecture: Architecture, prompt: PromptCost, setting: Setting, devices: Devices, *, steps: int) -> Answer:
    found = Answer(setting, devices, memory(architecture, prompt, setting), work(architecture, prompt, setting), steps)
    return found if found.fits else replace(found, advice=_advice(architecture, prompt, setting, devices))


Change = tuple[str, Callable[[Setting], bool], Callable[[Setting], Setting]]
"""What to set on the command line, whether it is still to be had, and what it does to the setting."""


def _changes(architecture: Architecture, devices: Devices) -> list[Change]:
    """From what costs nothing to what changes the result."""
    adapter = lora_weights(architecture, 16)

    def with_adapter(setting: Setting) -> Setting:
        return replace(
            setting, rank=16, adapter_weights=adapter, reference=False, tower_trains=False, weight_bytes=2,
            precision="bfloat16",
        )  # fmt: skip

    return [
        (
            "optim.precision=bf16",
            lambda each: each.precision == "float32",
            lambda each: replace(each, precision="autocast"),
        ),
        (
            "model.gradient_checkpointing=true",
            lambda each: not each.checkpointing,
            lambda each: replace(each, checkpointing=True),
        ),
        (
            "packing.train_tokens=1 (one group a pass)",
            lambda each: each.train_tokens > 1,
            lambda each: replace(each, train_tokens=1, rollout_tokens=1),
        ),
        (
            "parallel.shard=full parallel.param_dtype=bfloat16",
            lambda each: each.shards == 1 and devices.count > 1,
            lambda each: replace(each, shards=devices.count, gathered_bytes=2, precision="bfloat16"),
        ),
        (
            "'adapter={kind: lora, rank: 16}' 'model.freeze=[vision, projector]' model.dtype=bfloat16",
            lambda each: not each.rank,
            with_adapter,
        ),
        ("adapter.quantize=nf4", lambda each: not each.quantized, lambda each: replace(each, quantized=True)),
    ]


def _advice(architecture: Architecture, prompt: PromptCost, setting: Setting, devices: Devices) -> tuple[str, ...]:
    """The changes, one on top of the other, until it fits; then without those that were not needed."""
    tried: list[Change] = []
    for change in _changes(architecture, devices):
        _, possible, _ = change
        if possible(_applied(setting, tried)):
            tried.append(change)
            if _fits(architecture, prompt, _applied(setting, tried), devices):
                break
    else:
        return ()
    for change in list(tried):
        fewer = [each for each in tried if each is not change]
        if _fits(architecture, prompt, _applied(setting, fewer), devices):
            tried = fewer
    return tuple(text for text, _, _ in tried)


def _applied(setting: Setting, changes: list[Change]) -> Setting:
    for _, _, change in changes:
        setting = change(setting)
    return setting


def _fits(architecture: Architecture, prompt: PromptCost, setting: Setting, devices: Devices) -> bool:
    return memory(architecture, prompt, setting).peak <= room(devices)


def lines(found: Answer) -> list[str]:
    """As people read it."""
    held, devices = found.memory, found.devices
    name = f"{devices.count} x {devices.device.name}"
    rows = {
        "weights": held.weights,
        "gradients": held.gradients,
        "optimizer's moments": held.moments,
        "reference model (rl.kl)": held.reference,
        "adapter": held.adapter,
        "weights as the passes use them": held.gathered,
        "rollout: complete weights": held.whole_weights,
        "rollout: prompt cache": held.prompt_cache,
        "update: activations": held.activations,
    }
    text = [f"on each of {name}, at most:"]
    text += [f"  {what:<37} {size / GIB:8.2f} GiB" for what, size in rows.items() if size]
    text.append(
        f"  {'at the peak (rollout or update)':<37} {held.peak / GIB:8.2f} GiB of {found.room / GIB:.2f} usable"
    )
    text.append(verdict(found))
    if found.work.sent_bytes:
        text.append(f"sent by each device in a step: {found.work.sent_bytes / GIB:.2f} GiB")
    text.append(
        f"time: {_digits(found.seconds_per_group)} device seconds per group, {_digits(found.step_seconds)} s a "
        f"step, {_digits(found.hours)} hours for {found.steps} steps ({UTILISATION:.0%} of "
        f"{devices.device.tflops:g} TFLOPs and {BANDWIDTH_SHARE:.0%} of the bandwidth assumed; every completion at "
        "full length; video decoding not included)"
    )
    return text


def _digits(value: float) -> str:
    """Two digits of a number below ten, whole ones above: an estimate says no more, and never nothing.

    >>> _digits(0.00271), _digits(3.14), _digits(1234.5)
    ('0.0027', '3.1', '1234')
    """
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def verdict(found: Answer) -> str:
    """ "fits: yes" or "fits: no, because ..., try ..." """
    if found.fits:
        return f"fits: yes, with {(found.room - found.memory.peak) / GIB:.1f} GiB to spare"
    over = (found.memory.peak - found.room) / GIB
    held = asdict(found.memory)
    largest = max(held, key=lambda name: held[name])
    words = {
        "whole_weights": "the complete weights while sampling",
        "prompt_cache": "the prompt cache",
        "gathered": "the copies of the weights for the passes",
    }
    because = f"{over:.1f} GiB too much, mostly {words.get(largest, largest)} ({held[largest] / GIB:.1f} GiB)"
    if not found.advice:
        advice = "use a smaller model, fewer pixels (video.total_pixels) or more memory"
        return f"fits: no, because {because}; no setting that the plan knows is enough: {advice}"
    return f"fits: no, because {because}; try {' '.join(found.advice)}"
