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
    """The model and how it is loaded."""

    path: str = Field(
        description="A Hugging Face directory, an adapter's folder, toyworld:base, or toyworld:new (untrained)."
    )
    base: str | None = Field(None, description="Base model of an adapter; none: as in adapter_config.json.")
    dtype: Literal["float32", "bfloat16"] = Field("float32", description="Data type of the stored weights.")
    attention: Literal["sdpa", "eager", "flash_attention_2"] = Field("sdpa", description="Attention kernel.")
    freeze: Freeze = Field(
        ("vision", "projector"),
        description="Parts that do not train. With vision and projector frozen, each video is encoded once per "
        "run instead of once per step.",
    )
    gradient_checkpointing: bool = Field(
        False, description="Recompute activations in the backward pass: less memory, more time."
    )
    family: str | None = Field(
        None, description="Model family: a name, module:Class or file.py:Class; none: by model type."
    )
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
    """A LoRA adapter (arXiv 2106.09685): the model is frozen, and low-rank updates of the target layers train."""

    kind: Literal["lora"] = Field("lora", description="Kind of adapter.")
    rank: int = Field(16, ge=1, description="Rank of the low-rank matrices.")
    alpha: int = Field(32, ge=1, description="The adapter's output is scaled by alpha / rank.")
    dropout: float = Field(0.0, ge=0, lt=1, description="Only for sft: rollout and update must use the same model.")
    targets: str | list[str] = Field(
        "language",
        description="Linear layers: language, vision, all, a list of name endings, or a regular expression.",
    )
    quantize: Literal["none", "nf4"] = Field("none", description="nf4: keep the frozen base in 4 bits (QLoRA).")


def training_problem(recipe: "Recipe") -> str | None:
    """What of a recipe does not go together: its adapter, or having none, with the rest. None: it fits."""
    adapter = recipe.adapter
    if recipe.parallel.shard != "none" and recipe.optim.moments != "full":
        return (
            f"optim.moments={recipe.optim.moments} needs parallel.shard=none; with sharded weights use parallel.offload"
        )
    if recipe.parallel.shard != "none" and adapter and adapter.quantize != "none":
        return (
            "adapter.quantize cannot be combined with sharded weights: set parallel.shard or adapter.quantize to none"
        )
    if adapter is None:
        if recipe.checkpoint.export == "merged":
            return "checkpoint.export=merged needs an adapter; add one (adapter={}), or remove it"
        return (
            "optim.lr_of.adapter: the recipe has no adapter; add one (adapter={}), or remove the rate"
            if "adapter" in recipe.optim.lr_of
            else None
        )
    if adapter.dropout and recipe.samples_completions:
        rule = f"{recipe.method} needs 0, because rollout and update must use the same model"
        return f"adapter.dropout={adapter.dropout}: {rule}"
    if "vision" not in recipe.model.freeze:
        return (
            "an adapter trains instead of the weights: add vision to model.freeze, and to train the vision tower "
            "set adapter.targets to vision or all"
        )
    if adapter.quantize != "none" and recipe.checkpoint.export == "merged":
        return "a quantized base cannot be merged during training: export the adapter, then run reeltune merge"
    return None
