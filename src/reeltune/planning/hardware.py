"""Devices as `--devices` names them, and what their makers say they do: dense bfloat16, memory bandwidth."""

import re
from dataclasses import dataclass

from reeltune.errors import InputError

GIB = 2**30


@dataclass(frozen=True)
class Device:
    name: str
    gib: float
    tflops: float
    """Dense bfloat16, 10^12 operations a second."""
    bandwidth: float
    """Memory, 10^12 bytes a second."""


CARDS = {
    "A100-80": Device("A100-80", 80, 312, 2.0),
    "A100-40": Device("A100-40", 40, 312, 1.6),
    "H100": Device("H100", 80, 989, 3.35),
    "H200": Device("H200", 141, 989, 4.8),
    "L40S": Device("L40S", 48, 362, 0.86),
    "RTX4090": Device("RTX4090", 24, 165, 1.0),
    "RTX3090": Device("RTX3090", 24, 71, 0.94),
}
BY_MEMORY = {80: "A100-80", 40: "A100-40", 141: "H200", 48: "L40S", 24: "RTX4090"}
"""Whose speed is assumed where only a memory is given."""


@dataclass(frozen=True)
class Devices:
    count: int
    device: Device


def parse_devices(text: str) -> Devices:
    """ "8x80" (eight of 80 GB), "1xH100", "24". Raises InputError for anything else."""
    found = re.fullmatch(r"(?:(\d+)\s*x\s*)?([\w.-]+?)(?:\s*G(?:i?B)?)?", text.strip(), re.IGNORECASE)
    count, what = (int(found[1] or 1), found[2]) if found else (0, "")
    named = {name.lower(): card for name, card in CARDS.items()}.get(what.lower())
    try:
        device = named or _of_memory(float(what))
    except ValueError:
        count = 0
    if count < 1:
        raise InputError(
            f"--devices must look like 8x80 (eight devices of 80 GB) or 1xH100, of {', '.join(CARDS)}; got {text!r}"
        )
    return Devices(count, device)


def card_like(name: str, gib: float) -> Device:
    """A device that is here, with its own memory and the speed of the card whose name it has, else of the nearest."""
    plain = name.upper().replace(" ", "")
    card = next((card for key, card in CARDS.items() if key.split("-")[0] in plain), None) or _of_memory(gib)
    return Device(name, gib, card.tflops, card.bandwidth)


def _of_memory(gib: float) -> Device:
    if not 1 <= gib <= 1024:
        raise ValueError
    nearest = CARDS[BY_MEMORY[min(BY_MEMORY, key=lambda size: abs(size - gib))]]
    return Device(f"{gib:g} GB, as fast as {nearest.name}", gib, nearest.tflops, nearest.bandwidth)
