"""Opening a model directory: every weight from the file, the right family, checked against the stock model."""

from pathlib import Path
from typing import Any

import torch

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.errors import InputError
from reeltune.hub import local_model
from reeltune.models._transformers import enable_checkpointing
from reeltune.models.families import open_family
from reeltune.models.families.base import Family
from reeltune.models.loading import (
    check_attention,
    check_directory,
    check_weight_files,
    compute_as_asked,
    nf4,
    open_tokenizer,
    refuse_not_finite,
    skeleton,
)
from reeltune.models.mixture_of_depths.checkpoint import open_routed, routed_without_weights
from reeltune.models.model import Policy
from reeltune.models.self_check import check_against_stock

__all__ = ["Policy", "load_policy"]


def load_policy(
    path: Path,
    *,
    dtype: torch.dtype = torch.float32,
    attention: str = "sdpa",
    gradient_checkpointing: bool = False,
    mixture_of_depths: MixtureOfDepthsConfig | None = None,
    family: str | None = None,
    quantize: bool = False,
    empty: bool = False,
    self_check: bool = True,
) -> Policy:
    """Open a Hugging Face directory of a supported family; routed as it was saved, or as `mixture_of_depths` says.

    `path` may also be a name on the Hugging Face Hub (`reeltune.hub`).

    `family` names one of our own (`module:Class`, `file.py:Class`) in place of the one that config.json names.
    `quantize`: the linear layers of the language model in 4 bits, to train an adapter over; they cannot train.
    `empty`: the same policy, for weights that another process sends.
    `self_check` compares our forward passes with the stock model's on a few random tokens; leave it out only where
    the same directory was opened before in this process, such as for a reference.

    Raises:
        InputError: no model directory; weights that are missing, unknown, of another shape, damaged or not finite; a
            family without an adapter; a model whose completions a shared prompt cannot keep apart; routers that do not
            belong to the config; or releases of transformers and torch with which our passes are not the stock ones.
    """
    path = local_model(str(path))
    check_directory(path)
    check_attention(attention)
    config, adapter = open_family(path, family)
    adapter.refuse_inseparable(config.get_text_config(), path)
    check_weight_files(path)
    options: dict[str, Any] = {"dtype": dtype, "attn_implementation": attention}
    if quantize:
        options["quantization_config"] = nf4(dtype, whole_parts(config, adapter))
    if empty:
        model = routed_without_weights(path, config, mixture_of_depths, **options)
    else:
        model = open_routed(path, config, mixture_of_depths, **options)
        refuse_not_finite(path, model)
    if quantize:
        compute_as_asked(model)
    if gradient_checkpointing:
        enable_checkpointing(model)
    tokenizer = open_tokenizer(path)
    if not (adapter.chat_template or getattr(tokenizer, "chat_template", None)):
        raise InputError(f"{path}: the tokenizer has no chat template; add the model's chat_template.jinja")
    policy = Policy(model, tokenizer, adapter, path)
    if self_check and not empty:
        check_against_stock(policy)
    return policy


def whole_parts(config: Any, family: Family) -> list[str]:
    """The names of what stays whole under 4 bits: the head, and all that turns pixels into vision tokens."""
    model = skeleton(config)
    names = {id(module): name for name, module in model.named_modules()}
    return [names[id(module)] for module in (family.head(model), *family.vision_modules(model))]
