"""Tokens, memory and work of one optimizer step of a recipe, before any weight is loaded: upper bounds."""

from dataclasses import dataclass

from reeltune.config.recipe import Recipe
from reeltune.planning.architecture import Architecture
from reeltune.planning.costs import PromptCost
from reeltune.planning.setting import trained_weights

BYTES = {"float32": 4, "bfloat16": 2}


@dataclass(frozen=True)
class StepCost:
    """Every prompt has the longest video that the recipe allows, every completion its full budget.

    `learner_tokens`: P + G * C per group, the prompt computed once; `separate_tokens`: G * (P + C), what a trainer
    with a row per completion computes. `cache_bytes`: one rollout pass, each prompt once; `state_bytes`: weights,
    gradients and AdamW's two moments; `reference_bytes`: the model that rl.kl compares with. `flops`: rollout, and
    forward and backward of the learner (twice the forward); the attention of completions and a tower that runs again
    for the update are left out.
    """

    groups: int
    group_size: int
    prompt_tokens: int
    completion_tokens: int
    learner_tokens: int
    separate_tokens: int
    cache_bytes: int
    weight_bytes: int
    reference_bytes: int
    state_bytes: int
    flops: int


def step_cost(recipe: Recipe, architecture: Architecture, prompt: PromptCost) -> StepCost:
    """`prompt`: the cost of one prompt of the recipe's model, routed if the recipe routes it."""
    groups, size = recipe.samples_per_step, recipe.group_size
    length = recipe.rl.max_new_tokens if recipe.samples_completions else recipe.eval.max_new_tokens
    prompt_tokens = prompt.text_tokens + prompt.vision_tokens
    value_bytes = BYTES[recipe.model.dtype]
    decoder = architecture.decoder
    token_flops = 2 * (decoder.layers * decoder.layer_weights + decoder.head_weights)
    completions = groups * size * length * token_flops
    forward = groups * prompt.run_flops + completions
    weight_bytes = architecture.weights * value_bytes
    trained = trained_weights(recipe, architecture)
    in_pass = max(1, min(groups, recipe.packing.rollout_tokens // (prompt_tokens + size * length)))
    cached_tokens = sum(layer.cached_tokens for layer in prompt.layers) + size * decoder.kept_tokens(length)
    return StepCost(
        groups=groups,
        group_size=size,
        prompt_tokens=prompt_tokens,
        completion_tokens=length,
        learner_tokens=groups * (prompt_tokens + size * length),
        separate_tokens=groups * size * (prompt_tokens + length),
        cache_bytes=in_pass * cached_tokens * decoder.cache_values * value_bytes if recipe.samples_completions else 0,
        weight_bytes=weight_bytes,
        reference_bytes=weight_bytes if recipe.distill or recipe.rl.kl else 0,
        state_bytes=weight_bytes + 3 * trained * value_bytes,
        flops=(forward if recipe.samples_completions else 0) + 3 * forward,
    )
