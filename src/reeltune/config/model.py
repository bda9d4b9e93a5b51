"""The model of a recipe and what of it trains: its parts by name, or a LoRA adapter in their place."""

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BeforeValidator, Field

from reeltune.config.mixture_of_depths import MixtureOfDepthsConfig
from reeltune.config.section import Section

if TYPE_CHECKING:
    from reeltune.config.recipe import Recipe

Part = Literal["vision", "projector", "language"]
TrainedPart = Literal["vision", "projector", "language", "adapter", "routers"]

# The values of `model.freeze_vision`, as `model.freeze` was called before.
_EARLIER: dict[Any, tuple[Part, ...]] = {True: ("vision", "projector"), False: (), "tower": ("vision",)}


def _parts(value: Any) -> Any:
    if isinstance(value, bool | str) and value in _EARLIER:
        return _EARLIER[value]
    return (value,) if isinstance(value, str) else value


Freeze = Annotated[tuple[Part, ...], BeforeValidator(_parts)]


class ModelConfig(Section):
    """Which model, and how it is opened."""

    path: str = Field(
        description="A Hugging Face directory, an adapter's folder, toyworld:base, or toyworld:new (untrained)."
    )
    base: str | None = Field(None, description="Of an adapter: its base model; none: where adapter_config.json says.")
    dtype: Literal["float32", "bfloat16"] = "float32"
    attention: Literal["sdpa", "eager", "flash_attention_2"] = "sdpa"
    freeze: Freeze = Field(
        ("vision", "projector"),
        description="Parts that do not train. With both of these each video is encoded once per run, not per step.",
    )
    gradient_checkpointing: bool = False
    family: str | None = Field(None, description="Who adapts this model: a name, module:Class or file.py:Class.")
    mixture_of_depths: MixtureOfDepthsConfig | None = Field(
        None, description="p-MoD: vision tokens skip layers; {} is the published form."
    )

    @property
    def freeze_vision(self) -> bool | Literal["tower"]:
        """Whether the tower is frozen; "tower" where its projector trains."""
        if "vision" not in self.freeze:
            return False
        return True if "projector" in self.freeze else "tower"


class AdapterConfig(Section):
    """A LoRA adapter (arXiv 2106.09685): the model is frozen, `rank` new directions of each target layer train."""

    kind: Literal["lora"] = "lora"
    rank: int = Field(16, ge=1)
    alpha: int = Field(32, ge=1, description="The adapter's share is scaled by alpha / rank.")
    dropout: float = Field(0.0, ge=0, lt=1, description="For sft alone: a rollout and its update must be one model.")
    targets: str | list[str] = Field(
        "language",
        description="Linear layers: language, vision, all, a list of ends of names, or a regular expression.",
    )
    quantize: Literal["none", "nf4"] = Field("none", description="nf4: the frozen base in 4 bits (QLoRA).")


def training_problem(recipe: "Recipe") -> str | None:
    """What of a recipe does not go together: its adapter, or having none, with the rest. None: it fits."""
    adapter = recipe.adapter
    if recipe.parallel.shard != "none" and recipe.optim.moments != "full":
        return f"optim.moments={recipe.optim.moments} goes with whole weights; sharded ones have parallel.offload"
    if recipe.parallel.shard != "none" and adapter and adapter.quantize != "none":
        return "adapter.quantize goes with whole weights: set parallel.shard or adapter.quantize to none"
    if adapter is None:
        if recipe.checkpoint.export == "merged":
            return "checkpoint.export=merged goes with an adapter; add one (adapter={}), or drop it"
        return "optim.lr_of.adapter: there is no adapter" if "adapter" in recipe.optim.lr_of else None
    if adapter.dropout and recipe.samples_completions:
        rule = f"{recipe.method} needs 0, for rollout and update to be the same model"
        return f"adapter.dropout={adapter.dropout}: {rule}"
    if "vision" not in recipe.model.freeze:
        return (
            "an adapter trains in place of the weights: put vision into model.freeze, and to train in the tower set "
            "adapter.targets to vision or all"
        )
    if adapter.quantize != "none" and recipe.checkpoint.export == "merged":
        return "a quantized base is not merged while it trains: export the adapter, then run reeltune merge"
    return None
