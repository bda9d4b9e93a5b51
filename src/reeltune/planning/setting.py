"""A recipe's settings as the plain numbers that a plan counts with."""

from reeltune.config.recipe import Recipe
from reeltune.planning.activations import Precision
from reeltune.planning.architecture import Architecture
from reeltune.planning.hardware import Devices
from reeltune.planning.memory import Setting


def setting_of(recipe: Recipe, architecture: Architecture, devices: Devices) -> Setting:
    model, grpo = recipe.model, recipe.method == "grpo"
    precision: Precision = "float32"
    if model.dtype == "bfloat16":
        precision = "bfloat16"
    elif recipe.optim.precision == "bf16":
        precision = "autocast"
    return Setting(
        method=recipe.method,
        devices=devices.count,
        groups=recipe.samples_per_step,
        group_size=recipe.rl.group_size if grpo else 1,
        max_new_tokens=recipe.rl.max_new_tokens if grpo else recipe.eval.max_new_tokens,
        train_tokens=recipe.packing.train_tokens,
        rollout_tokens=recipe.packing.rollout_tokens,
        weight_bytes=4 if model.dtype == "float32" else 2,
        precision=precision,
        checkpointing=model.gradient_checkpointing,
        tower_trains=not model.freeze_vision,
        trained=trained_weights(recipe, architecture),
        reference=grpo and recipe.rl.kl > 0,
        rollout_elsewhere=recipe.rollout.engine != "hf",
        updates=recipe.rl.updates_per_rollout if grpo else 1,
        qk_norm=architecture.decoder.qk_norm,
    )


def trained_weights(recipe: Recipe, architecture: Architecture) -> int:
    """Weights that have a gradient."""
    tower, freeze = architecture.vision, recipe.model.freeze_vision
    if not tower or not freeze:
        return architecture.weights
    frozen = tower.weights - (tower.projector_weights if freeze == "tower" else 0)
    return architecture.weights - frozen
