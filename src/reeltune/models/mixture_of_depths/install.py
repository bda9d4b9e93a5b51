"""p-MoD: vision tokens skip decoder layers, fewer of them kept the deeper the layer (arXiv 2412.04449).

`install` turns a loaded model into a routed one in place, `remove` turns it back: one whose decoder is Llama's, Qwen2's
or Qwen3's (LLaVA, SmolVLM2, InternVL, LLaVA-OneVision), or that of Qwen2-VL, Qwen2.5-VL or Qwen3-VL. Weights keep their
names, each routed layer gains `router.weight` and `router.bias`, and `config.mixture_of_depths` says how it is routed,
so `save_pretrained` writes an ordinary directory.
`checkpoint.open_routed` opens it again: stock transformers would leave the routers out.

Left out on purpose: static caches (lengths differ by layer), padding-free rows by `cu_seq_lens`, sliding windows.
"""

from typing import Any

import torch
from torch import Tensor, nn

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.errors import InputError
from reeltune.models._transformers import CACHE, Cache, after_forward, become, before_forward, by_name, rename_cache
from reeltune.models.mixture_of_depths.cache import routed_cache_layer
from reeltune.models.mixture_of_depths.layer import ROUTED_CLASSES, RoutedLayer, Router
from reeltune.models.mixture_of_depths.routing import Routing
from reeltune.models.mixture_of_depths.schedule import layer_ratios

CONFIG_KEY = "mixture_of_depths"
ARGUMENTS = ("input_ids", "attention_mask", "position_ids", CACHE, "inputs_embeds")


def install(model: nn.Module, config: MixtureOfDepthsConfig) -> None:
    """Route the decoder layers of a loaded model in place. New routers are zero, and every weight w is 1, unless
    `config.router_std` spreads them: the same numbers for equal settings and sizes, whatever was drawn before.

    Raises InputError for a model that is routed already, a decoder class whose block is not known to be the one
    that the routed layer repeats, attention that a selection cannot serve, and a schedule that routes layer 0.
    """
    if is_routed(model):
        raise InputError("p-MoD is already installed on this model; remove it first")
    if getattr(getattr(model, "config", None), CONFIG_KEY, None) is not None:
        raise InputError(
            f"the model's config has {CONFIG_KEY!r}: it was saved with routers but loaded without them. Load its "
            "directory with reeltune.models.mixture_of_depths.checkpoint.open_routed"
        )
    _refuse_attention(model)
    layers = decoder_layers(model)
    try:
        ratios = layer_ratios(config, len(layers))
    except ValueError as error:
        raise InputError(f"mixture_of_depths: {error}") from None
    token_ids = _routable_ids(model, config)
    for index, (layer, ratio) in enumerate(zip(layers, ratios, strict=True)):
        if ratio is not None:
            _route(layer, ratio, config, seed=index)
    reader = PassReader(token_ids, [index for index, ratio in enumerate(ratios) if ratio is not None])
    composite, language_model = _parts(model)
    holder: Any = model
    holder._mixture_of_depths_hooks = [
        before_forward(composite, reader.read_ids, ["input_ids"]),
        after_forward(composite, reader.forget),
        before_forward(language_model, reader.describe, ARGUMENTS),
    ]
    setattr(holder.config, CONFIG_KEY, config.model_dump(mode="json"))


def remove(model: nn.Module) -> None:
    """Undo `install`: the dense model again, its weights as they are now; the routers are dropped."""
    if not is_routed(model):
        raise InputError("p-MoD is not installed on this model")
    for layer in decoder_layers(model):
        if isinstance(layer, RoutedLayer):
            routed: Any = layer
            become(layer, routed.dense_class)
            del routed.router, routed.ratio, routed.settings
    holder: Any = model
    for hook in holder._mixture_of_depths_hooks:
        hook.remove()
    del holder._mixture_of_depths_hooks
    delattr(holder.config, CONFIG_KEY)


def is_routed(model: nn.Module) -> bool:
    return hasattr(model, "_mixture_of_depths_hooks")


def routers(model: nn.Module) -> dict[int, nn.Module]:
    """Layer number -> router, of the routed layers."""
    return {index: layer.router for index, layer in enumerate(decoder_layers(model)) if isinstance(layer, RoutedLayer)}


def decoder_layers(model: nn.Module) -> list[nn.Module]:
    """The decoder layers of a video language model.

    Raises InputError for a model without a language model of its own and for layers of an unknown class.
    """
    _, language_model = _parts(model)
    layers = list(language_model.layers)  # type: ignore[arg-type]
    for index, layer in enumerate(layers):
        if type(layer).__name__ not in ROUTED_CLASSES and not isinstance(layer, RoutedLayer):
            raise InputError(
                f"p-MoD cannot route decoder layer {index} of class {type(layer).__name__}: routed layers "
                f"implement the blocks of {sorted(ROUTED_CLASSES)}, and another block would silently compute "
                "something else"
            )
    return layers


class PassReader:
    """Tells the layers of each pass which tokens are vision tokens and which are padding.

    The composite model sees the token ids, the language model the mask and the cache; between the two calls of
    one forward pass `_samples` waits here. From then on it travels as an argument, so that a recomputed layer
    sees its own pass.
    """

    def __init__(self, token_ids: list[int], routed: list[int]) -> None:
        self.token_ids = token_ids
        self.routed = routed
        self._samples: Tensor | None = None

    def read_ids(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        ids = by_name(module.forward, args, kwargs).get("input_ids")
        if ids is not None:
            self._samples = vision_samples(ids, self.token_ids)

    def forget(self, module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        self._samples = None

    def describe(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        kwargs = rename_cache(by_name(module.forward, args, kwargs))
        samples = kwargs.pop("vision_samples", None)
        samples = self._samples if samples is None else samples
        inputs = kwargs.get("inputs_embeds")
        inputs = kwargs["input_ids"] if inputs is None else inputs
        cache, mask = kwargs.get(CACHE), kwargs.get("attention_mask")
        self._refuse(samples, cache, mask, kwargs)
        custom = mask is not None and mask.ndim == 4
        real = None if mask is None or custom else mask[:, -inputs.shape[1] :].bool().to(inputs.device)
        if samples is not None:
            samples = samples.to(inputs.device)
            samples = samples if real is None else torch.where(real, samples, -1)
        kwargs["routing"] = Routing.of(samples, inputs.shape[:2], real, custom_mask=custom)
        return (), kwargs

    def _refuse(self, samples: Tensor | None, cache: Any, mask: Any, kwargs: dict[str, Any]) -> None:
        if cache is not None:
            for index in self.routed:
                routed_cache_layer(cache, index)
        if kwargs.get("cu_seq_lens_q") is not None:
            raise InputError("p-MoD cannot route padding-free rows given by cu_seq_lens_q; give a mask instead")
        if isinstance(mask, Tensor) and mask.ndim == 4 and isinstance(cache, Cache):
            raise InputError(
                "p-MoD cannot use a 4-D attention mask with a cache: its columns do not match the tokens that "
                "each layer keeps. Pass a 2-D padding mask, or use_cache=False"
            )
        if mask is not None and not (isinstance(mask, Tensor) and mask.ndim in (2, 4)):
            raise InputError(f"p-MoD needs attention_mask as a 2-D or 4-D tensor; got {type(mask).__name__}")
        if samples is None and (cache is None or not cache.get_seq_length()):
            raise InputError(
                "p-MoD cannot tell which tokens of this prompt are vision tokens: call the model with input_ids, "
                "or the language model with vision_samples [rows, tokens], a sample's number at its vision "
                "tokens, else -1"
            )


def vision_samples(ids: Tensor, token_ids: list[int]) -> Tensor:
    """[R, L] token ids -> [R, L]: the row's number at its vision tokens, -1 elsewhere. One choice per row."""
    rows = torch.arange(len(ids), device=ids.device)[:, None].expand_as(ids)
    return torch.where(torch.isin(ids, torch.tensor(token_ids, device=ids.device)), rows, -1)


def _route(layer: nn.Module, ratio: float, config: MixtureOfDepthsConfig, *, seed: int) -> None:
    routed: Any = layer
    weight = next(layer.mlp.parameters())  # type: ignore[union-attr]
    dtype = weight.dtype if weight.is_floating_point() else torch.float32
    routed.router = Router(routed.hidden_size, device=weight.device, dtype=dtype)
    if config.router_std:
        routed.router.spread(config.router_std, seed=seed)
    routed.ratio, routed.settings = ratio, config
    become(layer, ROUTED_CLASSES[type(layer).__name__])


def _parts(model: Any) -> tuple[nn.Module, nn.Module]:
    """What sees the token ids and, inside it, the language model, by the accessors of every transformers model."""
    composite: nn.Module | None = getattr(model, "base_model", None)
    language_model: nn.Module | None = model.get_decoder() if hasattr(model, "get_decoder") else None
    if composite is None or language_model is None or composite is language_model:
        raise InputError(
            f"p-MoD needs a vision language model with a separate language model; {type(model).__name__} has none"
        )
    return composite, language_model


def _routable_ids(model: Any, config: MixtureOfDepthsConfig) -> list[int]:
    found = [getattr(model.config, f"{modality}_token_id", None) for modality in config.route]
    token_ids = [token for token in found if token is not None]
    if not token_ids:
        raise InputError(f"mixture_of_depths.route={list(config.route)}: {type(model).__name__} has no such tokens")
    return token_ids


def _refuse_attention(model: Any) -> None:
    _, language_model = _parts(model)
    kinds: Any = getattr(language_model.config, "layer_types", None) or []
    if other := sorted(set(kinds) - {"full_attention"}):
        raise InputError(f"p-MoD needs full attention in every layer; this model has {other}")
