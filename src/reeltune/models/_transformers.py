"""Every touch of what transformers and torch do not promise to keep: argument names, attention, hooks, private ops.

Nothing else of the package reaches into them. An argument that we pass or read by name and that a release takes away
raises InputError with the versions (`require_arguments`); what keeps its name and changes its meaning is found when a
model is loaded, by `reeltune.models.self_check`.
"""

import inspect
import sys
from collections.abc import Callable, Sequence
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, Cache
from transformers.cache_utils import DynamicLayer
from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS, create_causal_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from transformers.models.llama.modeling_llama import LlamaDecoderLayer, eager_attention_forward
from transformers.models.qwen2.modeling_qwen2 import Qwen2DecoderLayer
from transformers.models.qwen2_5_vl.modeling_qwen2_5_vl import Qwen2_5_VLDecoderLayer
from transformers.models.qwen2_vl.modeling_qwen2_vl import Qwen2VLDecoderLayer
from transformers.models.qwen3.modeling_qwen3 import Qwen3DecoderLayer
from transformers.models.qwen3_5.modeling_qwen3_5 import Qwen3_5GatedDeltaNet
from transformers.models.qwen3_5_moe.modeling_qwen3_5_moe import Qwen3_5MoeGatedDeltaNet
from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextDecoderLayer
from transformers.models.smolvlm.processing_smolvlm import DEFAULT_CHAT_TEMPLATE as SMOLVLM_CHAT_TEMPLATE

from reeltune.errors import InputError

__all__ = [
    "CACHE", "SMOLVLM_CHAT_TEMPLATE", "Cache", "DynamicLayer", "LlamaDecoderLayer", "Qwen2DecoderLayer",
    "Qwen2VLDecoderLayer", "Qwen2_5_VLDecoderLayer", "Qwen3DecoderLayer", "Qwen3VLTextDecoderLayer",
    "Qwen3_5GatedDeltaNet", "Qwen3_5MoeGatedDeltaNet",
]  # fmt: skip

TESTED = "5.19 to 5.24"
PREFIX = "shared_prompt_"


def versions() -> str:
    return f"transformers {transformers.__version__} and torch {torch.__version__} (tested: transformers {TESTED})"


# Arguments


def require_arguments(function: Callable[..., Any], names: Sequence[str]) -> None:
    """InputError when `function` no longer takes one of these arguments by name.

    Models swallow unknown keywords, so that a renamed one would be passed by without a word.
    """
    known = inspect.signature(function).parameters
    if gone := [name for name in names if name not in known]:
        raise InputError(
            f"{getattr(function, '__qualname__', function)} does not accept {gone} with {versions()}, but Reeltune "
            "passes it. Install a tested version"
        )


def _cache_name() -> str:
    """`cache`, or `past_key_values` before transformers 5.24."""
    known = inspect.signature(LlamaDecoderLayer.forward).parameters
    names = [name for name in ("cache", "past_key_values") if name in known]
    if not names:
        raise InputError(f"the cache argument of decoder layers has an unknown name with {versions()}")
    return names[0]


CACHE = _cache_name()


def rename_cache(kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a model with its cache under the name that this release gives it; the old one works too."""
    other = {"cache": "past_key_values", "past_key_values": "cache"}[CACHE]
    return {CACHE if name == other else name: value for name, value in kwargs.items()}


def by_name(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The arguments of a call of the bound method `function`, all by name."""
    return dict(zip(inspect.signature(function).parameters, args, strict=False)) | kwargs


def cached_step(model: Any, inputs: dict[str, Any], before: int) -> Tensor:
    """Logits [R, V] of token `before` of `inputs`, in a step of its own over the cache of the tokens before it."""
    ids, mask, positions = (inputs[name] for name in ("input_ids", "attention_mask", "position_ids"))
    past = {name: value[:, :before] if value.shape == ids.shape else value for name, value in inputs.items()}
    past["position_ids"] = positions[..., :before]
    cache = getattr(model(**past, use_cache=True), CACHE)
    step = {
        "input_ids": ids[:, before : before + 1],
        "attention_mask": mask[:, : before + 1],
        "position_ids": positions[..., before : before + 1],
        CACHE: cache,
    }
    logits: Tensor = model(**step, use_cache=True).logits[:, -1]
    return logits


# Hooks and classes


def before_forward(module: nn.Module, hook: Callable[..., Any], arguments: Sequence[str]) -> Any:
    """Call `hook(module, args, kwargs)` before each forward of `module`, which must take these `arguments`."""
    require_arguments(module.forward, arguments)
    return module.register_forward_pre_hook(hook, with_kwargs=True)


def after_forward(module: nn.Module, hook: Callable[..., Any]) -> Any:
    """Call `hook(module, args, output)` after each forward of `module`, also after one that raised."""
    return module.register_forward_hook(hook, always_call=True)


def become(module: nn.Module, other: type[nn.Module]) -> None:
    """Give a module the methods of `other`, a subclass of its class or its base; weights and names stay."""
    if not (issubclass(other, type(module)) or issubclass(type(module), other)):
        raise TypeError(f"a {type(module).__name__} cannot become a {other.__name__}")
    module.__class__ = other


# Attention


def put_in_front_of_attention(language_model: Any, wrap: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    """Let every attention layer of this language model call `wrap(its own attention function)`. Once per model.

    The name of the attention in the model's config changes for it; files that the model saves do not hold it.
    """
    config = language_model.config
    name: str = config._attn_implementation
    if name.startswith(PREFIX):
        return
    base = eager_attention_forward if name == "eager" else ALL_ATTENTION_FUNCTIONS[name]
    require_arguments(base, ["module", "query", "key", "value", "attention_mask", "scaling"])
    AttentionInterface.register(PREFIX + name, wrap(base))
    AttentionMaskInterface.register(PREFIX + name, ALL_MASK_ATTENTION_FUNCTIONS[name])
    config._attn_implementation = PREFIX + name


def causal_mask(config: Any, hidden: Tensor, real: Tensor | None, cache: Any, layer: int) -> Any:
    """The mask of `hidden` [R, L, H] after what layer `layer` of `cache` holds; `real` [R, past + L]: no padding."""
    return create_causal_mask(
        config=config,
        inputs_embeds=hidden,
        attention_mask=real,
        position_ids=None,
        layer_idx=layer,
        **{CACHE: cache},
    )


_flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
_flash_backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward


def flash_on_cpu(query: Tensor, key: Tensor, value: Tensor, *, causal: bool, scale: float) -> tuple[Tensor, Tensor]:
    """Output [R, H, L, D] and the log of each softmax's sum [R, H, L], float32 at least."""
    output, sums = _flash(query, key, value, 0.0, causal, scale=scale)
    return output, sums


def flash_on_cpu_backward(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    output: Tensor,
    sums: Tensor,
    *,
    causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients to query, key and value, of the softmax whose output and sums are given."""
    to_query, to_key, to_value = _flash_backward(gradient, query, key, value, output, sums, 0.0, causal, scale=scale)
    return to_query, to_key, to_value


def has_flash_on_cuda(query: Tensor) -> bool:
    """Whether the flash kernels below take tensors like `query` [..., D] on its device."""
    if query.device.type != "cuda" or torch.version.hip or query.dtype not in (torch.bfloat16, torch.float16):
        return False
    size = query.shape[-1]
    return size % 8 == 0 and size <= 256 and torch.cuda.get_device_capability(query.device) >= (8, 0)


def flash_on_cuda(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    query_offsets: Tensor,
    key_offsets: Tensor,
    longest_query: int,
    longest_key: int,
    *,
    causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor]:
    """Sequences one after the other, [tokens, heads, D], from offsets to offsets (int32): output and sums [H, tokens].

    `longest_query` and `longest_key` are bounds. A bound of 1 would take the kernel's own way of decoding, whose sums
    come in another order of heads and sequences (read in its source): 2 keeps it out.
    """
    output, sums, *_ = torch.ops.aten._flash_attention_forward(
        query, key, value, query_offsets, key_offsets, max(longest_query, 2), longest_key, 0.0, causal, False,
        scale=scale,
    )  # fmt: skip
    return output, sums


def flash_on_cuda_backward(
    gradient: Tensor,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    output: Tensor,
    sums: Tensor,
    query_offsets: Tensor,
    key_offsets: Tensor,
    longest_query: int,
    longest_key: int,
    *,
    causal: bool,
    scale: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients to query, key and value, of the softmax whose output and sums are given."""
    # Without dropout nothing reads the random state.
    state, unused = (torch.empty(size, dtype=torch.uint64, device=query.device) for size in ((2,), ()))
    to_query, to_key, to_value = torch.ops.aten._flash_attention_backward(
        gradient.contiguous(), query, key, value, output.contiguous(), sums.contiguous(), query_offsets, key_offsets,
        max(longest_query, 2), longest_key, 0.0, causal, state, unused, scale=scale,
    )  # fmt: skip
    return to_query, to_key, to_value


# Gated delta nets: flash-linear-attention's kernels where that package is installed, transformers' torch code otherwise


def short_convolution(net: Any, inputs: Tensor) -> Tensor:
    """The causal convolution of a gated delta net with its activation, [R, L, X] -> [R, L, X]."""
    convolve = _beside(net, "causal_conv1d_fn", inputs.device)
    weight, bias = net.conv1d.weight.squeeze(1), net.conv1d.bias
    output: Tensor = convolve(inputs.transpose(1, 2), weight, bias, activation=net.activation)
    return output.transpose(1, 2)


def delta_rule(
    net: Any, query: Tensor, key: Tensor, value: Tensor, decay: Tensor, beta: Tensor, matrix: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs [R, L, V, value size] of rows that start from `matrix` [R, V, key size, value size], and their last one.

    Heads stand in the second place from the right; older releases do not repeat grouped ones. In float32.
    """
    name = "torch_chunk_gated_delta_rule" if query.shape[1] > 1 else "torch_recurrent_gated_delta_rule"
    query, key = (each.repeat_interleave(value.shape[2] // each.shape[2], dim=2) for each in (query, key))
    with torch.autocast(query.device.type, enabled=False):
        output, last = _beside(net, name, query.device)(
            query,
            key,
            value,
            g=decay,
            beta=beta,
            initial_state=matrix,
            output_final_state=True,
            use_qk_l2norm_in_kernel=True,
        )
    return output, last


def _beside(net: Any, name: str, device: torch.device) -> Any:
    """The function `name` of the file that the stock class of `net` stands in; on a CPU without what is put around it
    to call a GPU's kernels."""
    for base in type(net).__mro__:
        if (found := getattr(sys.modules[base.__module__], name, None)) is not None:
            return inspect.unwrap(found) if device.type == "cpu" else found
    raise InputError(f"{type(net).__name__} has no {name} with {versions()}; install a tested version")


# Activation checkpointing, "gradient checkpointing" before transformers 5.24


def enable_checkpointing(model: Any) -> None:
    """Recompute each decoder layer in the backward pass instead of keeping its activations."""
    enable = getattr(model, "activation_checkpointing_enable", None) or model.gradient_checkpointing_enable
    enable({"use_reentrant": False})


def disable_checkpointing(model: Any) -> None:
    disable = getattr(model, "activation_checkpointing_disable", None) or model.gradient_checkpointing_disable
    disable()


def is_checkpointing(model: Any) -> bool:
    name = "is_activation_checkpointing" if hasattr(type(model), "is_activation_checkpointing") else None
    return bool(getattr(model, name or "is_gradient_checkpointing"))
