"""A model's weights by their plain names, whatever was done to it: an adapter in place, parts on other processes."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor, nn

TRAINED, INITIAL = "default", "initial"
"""The names of the adapter that trains, and of one that training went on from."""


def plain_weights(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """The model's weights by their plain names, one after the other, the adapter merged in, sharded ones gathered.

    Tied weights come once. Every process that holds a part of a sharded weight must go through all of them.
    """
    modules = dict(model.named_modules())
    seen: set[int] = set()
    for name, tensor in model.state_dict(keep_vars=True).items():
        if ".lora_" in name or ".original_module." in name or f".modules_to_save.{INITIAL}." in name:
            continue
        if id(tensor) in seen:
            continue
        seen.add(id(tensor))
        holder, base, leaf = name.partition(".base_layer.")
        value = whole(tensor)
        if base and leaf == "weight":
            value = merged(value, modules[holder])
        yield f"{holder}.{leaf}" if base else name.replace(f".modules_to_save.{TRAINED}.", "."), value


def whole(tensor: Tensor) -> Tensor:
    """The whole of a tensor of which this process may hold a part; without gradient."""
    gather = getattr(tensor, "full_tensor", None)
    full: Tensor = tensor.detach() if gather is None else gather().detach()
    return full


def merged(weight: Tensor, layer: Any) -> Tensor:
    """W + alpha / r * B A, the product in float32."""
    first, second = (whole(part[TRAINED].weight).float() for part in (layer.lora_A, layer.lora_B))
    result: Tensor = (weight.float() + layer.scaling[TRAINED] * (second @ first)).to(weight.dtype)
    return result
