"""What must stop a run: numbers that are not finite, and memory that does not suffice. Each is named."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

from reeltune.errors import InputError
from reeltune.models.shared_prefix.row import group_tokens
from reeltune.rollout.group import Group

KEYS = "packing.train_tokens, packing.rollout_tokens, rl.group_size, rl.max_new_tokens, video.total_pixels"


def require_finite(tensors: Mapping[str, Tensor | None], *, step: int, sample: str) -> None:
    """InputError naming step, sample and tensor where one holds NaN or infinity; None is left out."""
    for name, tensor in tensors.items():
        if tensor is not None and not bool(torch.isfinite(tensor).all()):
            wrong = tensor[~torch.isfinite(tensor)]
            raise InputError(
                f"step {step + 1}, sample {sample!r}: {len(wrong)} of {tensor.numel()} values of {name} are not "
                f"finite (the first: {float(wrong.flatten()[0])}). Nothing of this step was saved; check the last "
                "steps in metrics.jsonl, lower optim.lr, or check the model's weights"
            )


@contextmanager
def name_memory(groups: Sequence[Group], *, step: int, doing: str) -> Iterator[None]:
    """Turns an allocation that failed, on a GPU or on the host, into a message: the groups, their tokens, the keys."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _is_memory(error):
            raise
        largest = max(groups, key=group_tokens, default=None)
        named = ""
        if largest is not None:
            named = (
                f" The largest of {len(groups)} groups is sample {largest.sample.id!r}: {len(largest.prompt)} prompt "
                f"and up to {largest.completions.ids.numel()} completion tokens."
            )
        raise InputError(
            f"step {step + 1}: out of memory while {doing}.{named} Lower {KEYS}, or set "
            f"model.gradient_checkpointing. ({str(error).splitlines()[0]})"
        ) from error


def _is_memory(error: RuntimeError) -> bool:
    if isinstance(error, torch.OutOfMemoryError):
        return True
    text = str(error)
    return "can't allocate memory" in text or "out of memory" in text.lower() or "not enough memory" in text
