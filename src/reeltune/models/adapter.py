"""LoRA in place (arXiv 2106.09685), by peft: the model keeps its class and its names, its base is frozen.

What must train whole beside it (p-MoD's routers, a projector that is not frozen) stands in a copy of its own, as peft
does it. So the initial model is never lost: it is this one with the adapter switched off, and costs no second model.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from reeltune.config.model import AdapterConfig
from reeltune.errors import InputError, nearest
from reeltune.models.mixture_of_depths.install import is_routed
from reeltune.models.model import Policy
from reeltune.models.weights import INITIAL, TRAINED, merged

if TYPE_CHECKING:
    from peft import LoraConfig

_NUMBER = re.compile(r"(.*?\.)(\d+)(\..*)")
PEFT_PREFIX = "base_model.model."


def install(policy: Policy, config: AdapterConfig, *, projector: bool = False, seed: int = 0) -> None:
    """Freeze the model and put an adapter in place that changes nothing yet: its second matrices are 0.

    `projector`: it trains whole, beside the adapter. The first matrices are drawn from `seed` alone. InputError for
    targets that are not there.
    """
    inject(policy, lora_config(policy, config, projector=projector), seed=seed)


def lora_config(policy: Policy, config: AdapterConfig, *, projector: bool = False) -> "LoraConfig":
    """peft's own words for it: targets are one pattern over whole names, so that no other layer is ever meant."""
    from peft import LoraConfig  # a second and a half to import: nobody else shall wait for it

    whole = ["router"] if is_routed(policy.model) else []
    if projector:
        parts = policy.family.projector(policy.model)
        whole += [name for name, module in policy.model.named_modules() if any(module is each for each in parts)]
    return LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=_pattern(target_names(policy, config.targets)),
        modules_to_save=whole or None,
    )


def inject(policy: Policy, config: "LoraConfig", *, seed: int = 0, name: str = TRAINED, trains: bool = True) -> None:
    """Put peft's adapter `name` into the model; in float32, whatever the model's dtype: its steps are small."""
    import warnings

    from peft import inject_adapter_in_model

    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        torch.manual_seed(seed)
        warnings.filterwarnings("ignore", message="Already found a `peft_config`")
        inject_adapter_in_model(config, policy.model, adapter_name=name)
    for parameter_name, parameter in policy.model.named_parameters():
        if f".{name}." in parameter_name:
            parameter.data = parameter.data.float()
            parameter.requires_grad_(trains)
    if name != TRAINED:
        for each in _switches(policy):
            each.set_adapter(TRAINED)


def has_adapter(policy: Policy) -> bool:
    return bool(_settings(policy))


def adapter_settings(policy: Policy) -> Any:
    """peft's `LoraConfig` of the adapter in place."""
    return _settings(policy)[TRAINED]


def merge(policy: Policy) -> None:
    """Add the adapter to its base and take it out: plain weights again, as `plain_weights` gives them."""
    from peft.tuners.tuners_utils import BaseTunerLayer

    model = policy.model
    switches = {id(each) for each in _switches(policy)}
    places: list[tuple[str, Any]] = [pair for pair in model.named_modules() if id(pair[1]) in switches]
    for name, module in places:
        if isinstance(module, BaseTunerLayer):
            plain: Any = module.get_base_layer()
            plain.weight.data = merged(plain.weight.detach(), module)
        else:
            plain = module.modules_to_save[TRAINED]
        model.set_submodule(name, plain)
    del model.peft_config


@contextmanager
def as_initial(policy: Policy) -> Iterator[None]:
    """The model that the run began with: the adapter off, or the one that training went on from in its place."""
    if not has_adapter(policy):
        yield
        return
    switches = _switches(policy)
    initial = INITIAL in _settings(policy)
    for each in switches:
        each.set_adapter(INITIAL, inference_mode=True) if initial else each.enable_adapters(False)
    try:
        yield
    finally:
        for each in switches:
            each.set_adapter(TRAINED) if initial else each.enable_adapters(True)


def adapter_tensors(policy: Policy, adapter: str = TRAINED) -> dict[str, nn.Parameter]:
    """What an adapter holds, by the names that peft gives it in a file."""
    place = re.compile(rf"\.(lora_[AB])\.{adapter}\.|\.modules_to_save\.{adapter}\.")
    found = {}
    for name, parameter in policy.model.named_parameters():
        if match := place.search(name):
            kind = f".{match[1]}." if match[1] else "."
            found[PEFT_PREFIX + name[: match.start()] + kind + name[match.end() :]] = parameter
    return found


def target_names(policy: Policy, targets: str | Sequence[str]) -> list[str]:
    """The linear layers that the recipe's targets mean. InputError for one that means none."""
    linear = [name for name, module in policy.model.named_modules() if isinstance(module, nn.Linear)]
    prefix = {id(module): f"{name}." for name, module in policy.model.named_modules()}
    decoder = tuple(prefix[id(layer)] for layer in policy.language_model.layers)
    tower = tuple(prefix[id(module)] for module in policy.family.vision_modules(policy.model))
    parts = {"language": decoder, "vision": tower, "all": decoder + tower}
    linear = [name for name in linear if not name.endswith(".router")]
    if isinstance(targets, str) and targets in parts:
        return [name for name in linear if name.startswith(parts[targets])]
    found: list[str] = []
    for target in [targets] if isinstance(targets, str) else targets:
        if isinstance(targets, str):
            try:
                meant = [name for name in linear if re.fullmatch(target, name)]
            except re.error as error:
                raise InputError(f"adapter.targets={target!r}: not a regular expression ({error})") from None
        else:
            meant = [name for name in linear if name == target or name.endswith(f".{target}")]
        if not meant:
            ends = sorted({name.rpartition(".")[2] for name in linear})
            raise InputError(
                f"adapter.targets={target!r}: it matches no linear layer of "
                f"{policy.source}{nearest(target, ends)}; give language, vision, all, or some of {', '.join(ends)}"
            )
        found += meant
    return list(dict.fromkeys(found))


def _pattern(names: Sequence[str]) -> str:
    """A regular expression that finds these names and no others, each kind of layer once with its numbers."""
    numbers: dict[str, list[str]] = {}
    for name in names:
        found = _NUMBER.fullmatch(name)
        before, number, after = found.groups() if found else (name, "", "")
        numbers.setdefault(f"{re.escape(before)}%s{re.escape(after)}", []).append(number)
    return "|".join(form % f"({'|'.join(each)})" for form, each in numbers.items())


def _settings(policy: Policy) -> dict[str, Any]:
    return getattr(policy.model, "peft_config", None) or {}


def _switches(policy: Policy) -> list[Any]:
    from peft.tuners.tuners_utils import BaseTunerLayer
    from peft.utils.other import AuxiliaryTrainingWrapper

    return [each for each in policy.model.modules() if isinstance(each, BaseTunerLayer | AuxiliaryTrainingWrapper)]
