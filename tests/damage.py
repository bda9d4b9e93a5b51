"""What tests take away or damage, each with its own precondition."""

from pathlib import Path


def cut(file: Path, size: int) -> None:
    """Keep the first `size` bytes of a file, which must be longer."""
    whole = file.read_bytes()
    assert size < len(whole), f"nothing was cut: {file.name} has {len(whole)} bytes"
    file.write_bytes(whole[:size])


def require_oldest(version: str, *, oldest: str) -> None:
    """The suite that runs on the oldest release must have it."""
    assert version == oldest, f"{version} is not the oldest release that is allowed, {oldest}"
