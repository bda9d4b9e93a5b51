"""An adapter as a folder in peft's own format, which `PeftModel.from_pretrained` opens over its base model.

`adapter_config.json` is peft's: `base_model_name_or_path` is the base model's directory. `adapter_model.safetensors`
holds what trained: the low-rank matrices, and the modules that trained whole. `adapter_base.json` holds a digest of the
base's weights, and how the base is routed (p-MoD); it once was `reeltune.json`, which now tells how to ask the model.
"""

import hashlib
import json
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.errors import InputError
from reeltune.models.adapter import PEFT_PREFIX, adapter_settings, adapter_tensors, inject
from reeltune.models.loading import base_directory, check_directory
from reeltune.models.mixture_of_depths.install import CONFIG_KEY
from reeltune.models.model import Policy
from reeltune.models.weights import TRAINED, whole

if TYPE_CHECKING:
    from peft import LoraConfig

WEIGHTS, OURS, ONCE = "adapter_model.safetensors", "adapter_base.json", "reeltune.json"
SAMPLE = 2**16


@dataclass(frozen=True)
class AdapterFolder:
    """A folder that was found whole: where it stands, its base model, peft's settings, ours."""

    path: Path
    base: Path
    settings: "LoraConfig"
    ours: dict[str, Any]

    @property
    def mixture_of_depths(self) -> MixtureOfDepthsConfig | None:
        routed = self.ours.get(CONFIG_KEY)
        return MixtureOfDepthsConfig.model_validate(routed) if routed else None


def open_folder(path: Path, base: Path | None = None) -> AdapterFolder:
    """Read the settings of an adapter's folder; `base`: where its base model stands now.

    InputError for another kind of adapter, a file that is missing or damaged, a base that is not there, and a base
    with other weights than those that the adapter was trained over.
    """
    from peft import LoraConfig, PeftConfig

    try:
        settings = PeftConfig.from_pretrained(str(path))
        own = next((path / name for name in (OURS, ONCE) if (path / name).is_file()), None)
        ours = json.loads(own.read_text(encoding="utf-8")) if own else {}
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path}: the adapter's settings cannot be read ({error}); copy the folder again") from error
    if not isinstance(settings, LoraConfig):
        raise InputError(f"{path}: an adapter of type {settings.peft_type}; only LoRA is supported")
    if settings.use_dora or settings.bias != "none" or settings.fan_in_fan_out:
        raise InputError(
            f"{path}: a variant of LoRA (DoRA, trainable biases) that is not supported; merge it with peft"
        )
    if not (path / WEIGHTS).is_file():
        raise InputError(f"{path}: there is no {WEIGHTS} in it; copy the folder again")
    base = base or base_directory(path)
    if not (base / "config.json").is_file():
        raise InputError(
            f"{path}: its base model must stand at {str(base)!r}, and nothing is there; give its directory with "
            "model.base=DIRECTORY"
        )
    if "base_weights" in ours and ours["base_weights"] != weights_digest(base):
        raise InputError(
            f"{path} is an adapter of another base: the weights of {base} differ from those it was trained on. "
            "Give the right base with model.base=DIRECTORY"
        )
    return AdapterFolder(path, base, settings, ours)


def fill(policy: Policy, folder: AdapterFolder, *, name: str = TRAINED) -> None:
    """Give the adapter `name` in place the folder's values. InputError unless it has the same layers and shapes."""
    stored = _read(folder.path / WEIGHTS)
    wanted = adapter_tensors(policy, name)
    if different := sorted(set(stored) ^ set(wanted)):
        raise InputError(
            f"{folder.path}: the adapter has other layers than this model's, for example "
            f"{different[0].removeprefix(PEFT_PREFIX)}; its targets and base must match the recipe"
        )
    for key, parameter in wanted.items():
        if stored[key].shape != parameter.shape:
            raise InputError(
                f"{folder.path}: {key.removeprefix(PEFT_PREFIX)} is {tuple(stored[key].shape)} in the file and "
                f"{tuple(parameter.shape)} here; the adapter has another base or rank"
            )
    with torch.no_grad():
        for key, parameter in wanted.items():
            parameter.copy_(stored[key])


def put_in_place(policy: Policy, folder: AdapterFolder, *, name: str = TRAINED, trains: bool = True) -> None:
    """Put the folder's own adapter into a policy of its base; without the dropout that it was trained with."""
    settings = copy(folder.settings)
    settings.lora_dropout = 0.0
    inject(policy, settings, name=name, trains=trains)
    fill(policy, folder, name=name)


def require_settings(folder: AdapterFolder, policy: Policy) -> None:
    """InputError unless the adapter in place, which goes on from the folder's, has its rank and scale."""
    ours = adapter_settings(policy)
    for name, key in (("r", "rank"), ("lora_alpha", "alpha")):
        there, here = getattr(folder.settings, name), getattr(ours, name)
        if there != here:
            raise InputError(
                f"adapter.{key}={here}, but the adapter in {folder.path} has {there}. Training would continue with "
                "that adapter: make the settings equal, or merge it first with reeltune merge"
            )


def save_adapter(policy: Policy, directory: Path, *, write: bool = True) -> None:
    """Write the adapter's folder. With sharded weights every process calls it, and one of them writes."""
    tensors = collect_adapter(policy)
    if write:
        write_adapter(policy, directory, tensors)


def collect_adapter(policy: Policy, *, apart: bool = False) -> dict[str, torch.Tensor]:
    """What trained, on the host, whole; `apart`: from the model's own memory."""
    return {name: whole(each).to("cpu", copy=apart).contiguous() for name, each in adapter_tensors(policy).items()}


def write_adapter(policy: Policy, directory: Path, tensors: dict[str, torch.Tensor]) -> None:
    """`save_adapter`, with what `collect_adapter` gave; also in a thread of its own, while the adapter trains."""
    directory.mkdir(parents=True, exist_ok=True)
    settings = copy(adapter_settings(policy))
    settings.base_model_name_or_path = str(policy.source.resolve())
    settings.inference_mode = True
    settings.save_pretrained(str(directory))
    save_file(tensors, directory / WEIGHTS, metadata={"format": "pt"})
    ours = {"base_weights": weights_digest(policy.source), CONFIG_KEY: getattr(policy.config, CONFIG_KEY, None)}
    (directory / OURS).write_text(json.dumps(ours, indent=2) + "\n", encoding="utf-8")


def weights_digest(directory: Path) -> str:
    """Of a model's weights: the size of each file, its table of tensors, and a sample of 64 KiB at eight places.

    Quick also where the weights are hundreds of gigabytes; trained weights differ nearly everywhere.
    """
    check_directory(directory)
    found = hashlib.blake2b(digest_size=16)
    for path in sorted(directory.glob("*.safetensors")):
        size = path.stat().st_size
        with path.open("rb") as file:
            found.update(f"{path.name} {size} ".encode())
            found.update(file.read(int.from_bytes(file.read(8), "little")))
            for place in range(8):
                file.seek(place * size // 8)
                found.update(file.read(SAMPLE))
    return found.hexdigest()


def _read(path: Path) -> dict[str, torch.Tensor]:
    try:
        with safe_open(path, framework="pt"):
            pass
        tensors: dict[str, torch.Tensor] = load_file(path)
        return tensors
    except (SafetensorError, OSError) as error:
        raise InputError(f"{path}: damaged or cut off ({error}); copy it again") from error
