"""A recipe's settings as the plain numbers that a plan counts with."""

from reeltune.config.model import Part
from reeltune.config.recipe import Recipe
from reeltune.planning.activations import Precision
from reeltune.planning.architecture import Architecture
from reeltune.planning.hardware import Devices
from reeltune.planning.memory import Setting, lora_weights


def adapter_weights(recipe: Recipe, architecture: Architecture) -> int:
    """Of the recipe's adapter, as if its targets were all linear layers of the parts that they lie in."""
    adapter = recipe.adapter
    if adapter is None:
        return 0
    vision = adapter.targets in ("vision", "all")
    both = lora_weights(architecture, adapter.rank, vision=vision)
    return both - lora_weights(architecture, adapter.rank) if adapter.targets == "vision" else both


def setting_of(recipe: Recipe, architecture: Architecture, devices: Devices) -> Setting:
    """A recipe in the few numbers that memory and work depend on, as it would run on `devices`."""
    model, grpo = recipe.model, recipe.samples_completions
    adapter, parallel = recipe.adapter, recipe.parallel
    sharded = parallel.shard == "full" and devices.count > 1
    precision: Precision = "float32"
    if model.dtype == "bfloat16" or (sharded and parallel.param_dtype == "bfloat16"):
        precision = "bfloat16"
    elif recipe.optim.precision == "bf16":
        precision = "autocast"
    return Setting(
        samples=grpo,
        devices=devices.count,
        groups=recipe.samples_per_step,
        group_size=recipe.group_size,
        max_new_tokens=recipe.rl.max_new_tokens if grpo else recipe.eval.max_new_tokens,
        train_tokens=recipe.packing.train_tokens,
        rollout_tokens=recipe.packing.rollout_tokens,
        weight_bytes=4 if model.dtype == "float32" else 2,
        precision=precision,
        checkpointing=model.gradient_checkpointing,
        tower_trains=not model.freeze_vision or (adapter is not None and adapter.targets in ("vision", "all")),
        trained=trained_weights(recipe, architecture),
        reference=grpo and (recipe.rl.kl > 0 or recipe.distill is not None),
        rank=adapter.rank if adapter else 0,
        adapter_weights=adapter_weights(recipe, architecture),
        quantized=adapter is not None and adapter.quantize == "nf4",
        shards=devices.count // parallel.replicate if sharded else 1,
        gathered_bytes=2 if parallel.param_dtype == "bfloat16" or model.dtype == "bfloat16" else 4,
        whole=architecture.vision.weights if sharded and architecture.vision and model.freeze_vision else 0,
        offload=parallel.offload,
        moment_bytes={"full": 8, "8bit": 2, "host": 0}[recipe.optim.moments],
        rollout_elsewhere=recipe.rollout.engine != "hf",
        updates=recipe.rl.updates_per_rollout if grpo else 1,
        qk_norm=architecture.decoder.qk_norm,
    )


def trained_weights(recipe: Recipe, architecture: Architecture) -> int:
    """Weights that have a gradient."""
    tower = architecture.vision
    projector = tower.projector_weights if tower else 0
    weights: dict[Part, int] = {
        "vision": tower.weights - projector if tower else 0,
        "projector": projector,
        "language": architecture.decoder.weights,
    }
    return sum(count for part, count in weights.items() if part not in recipe.model.freeze)
