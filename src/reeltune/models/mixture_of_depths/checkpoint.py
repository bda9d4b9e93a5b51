"""Routed models in ordinary Hugging Face directories: opened with their routers, or not at all."""

import re
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from safetensors import safe_open
from torch import Tensor, nn

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.errors import InputError
from reeltune.models.loading import open_weights, without_weights
from reeltune.models.mixture_of_depths.install import CONFIG_KEY, install, routers

ROUTER_KEY = re.compile(r"(?:^|\.)layers\.(\d+)\.router\.(weight|bias)$")


def open_routed(path: Path, config: Any, wanted: MixtureOfDepthsConfig | None = None, **options: Any) -> nn.Module:
    """Open a model directory, dense or routed; `config` is its config, `options` go to `from_pretrained`.

    A routed directory comes back routed as it was saved, a dense one becomes routed when `wanted` says so.

    Raises InputError when routers and config do not belong together, when `wanted` differs from what was saved, or
    when weights of a routed directory are missing or left over.
    """
    saved = saved_config(path, config)
    stored = router_tensors(path)
    if saved is None:
        if stored:
            raise InputError(
                f"{path}: its weights hold routers of layers {sorted(stored)}, but config.json has no "
                f"{CONFIG_KEY!r}, so the routers would be dropped. Restore the key from the run's config.yaml"
            )
        model = open_weights(path, **options)
        if wanted is not None:
            install(model, wanted)
        return model
    if wanted is not None and wanted != saved:
        raise InputError(
            f"{path} was saved with p-MoD {_differences(saved, wanted)}; remove model.mixture_of_depths or make "
            "it equal"
        )
    # The routers are read below: stock transformers does not know them.
    model = open_weights(path, ignore=ROUTER_KEY, **options)
    # As the directory says; `install` writes it back.
    holder: Any = model
    delattr(holder.config, CONFIG_KEY)
    install(model, saved)
    _fill_routers(path, model, stored)
    return model


def routed_without_weights(
    path: Path, config: Any, wanted: MixtureOfDepthsConfig | None = None, **options: Any
) -> nn.Module:
    """The model that `open_routed` opens, for weights that another process sends."""
    routed = saved_config(path, config) or wanted
    if hasattr(config, CONFIG_KEY):
        delattr(config, CONFIG_KEY)
    model = without_weights(config, **options)
    if routed is not None:
        install(model, routed)
    return model


def saved_config(path: Path, config: Any) -> MixtureOfDepthsConfig | None:
    """How the directory's config.json says the model is routed; None for a dense one."""
    section = getattr(config, CONFIG_KEY, None)
    if section is None:
        return None
    try:
        return MixtureOfDepthsConfig.model_validate(section)
    except ValidationError as error:
        raise InputError(f"{path}/config.json: {CONFIG_KEY}: {error}") from None


def router_tensors(path: Path) -> dict[int, dict[str, Tensor]]:
    """Layer number -> weight and bias of its router, from all safetensors files of a directory."""
    found: dict[int, dict[str, Tensor]] = {}
    for file in sorted(path.glob("*.safetensors")):
        with safe_open(file, framework="pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118
                if match := ROUTER_KEY.search(key):
                    found.setdefault(int(match[1]), {})[match[2]] = tensors.get_tensor(key)
    return found


def _fill_routers(path: Path, model: nn.Module, stored: dict[int, dict[str, Tensor]]) -> None:
    expected = routers(model)
    complete = {layer for layer, tensors in stored.items() if set(tensors) == {"weight", "bias"}}
    if complete != set(expected) or set(stored) != set(expected):
        raise InputError(
            f"{path}: config.json routes layers {sorted(expected)}, but the weights include complete routers of "
            f"layers {sorted(complete)} only. Save the model again from the run"
        )
    with torch.no_grad():
        for layer, router in expected.items():
            for name, parameter in router.named_parameters():
                parameter.copy_(stored[layer][name])


def _differences(saved: MixtureOfDepthsConfig, wanted: MixtureOfDepthsConfig) -> str:
    old, new = saved.model_dump(), wanted.model_dump()
    return ", ".join(f"{name}={old[name]!r}, not {new[name]!r}" for name in old if old[name] != new[name])
