"""On-policy distillation: whose answers' probabilities a student learns from its own completions."""

from typing import TYPE_CHECKING

from pydantic import Field

from reeltune.config.section import Section

if TYPE_CHECKING:
    from reeltune.config.recipe import Recipe


class DistillConfig(Section):
    """`method: distill`. Sampling, clipping and steps are those of `rl`; there are no advantages to compare."""

    teacher: str = Field(min_length=1, description="A model directory or adapter folder of the student's family.")
    group_size: int = Field(1, ge=1, description="G, completions per prompt; 1 is enough, since nothing is compared.")


def distill_problem(recipe: "Recipe") -> str | None:
    """What of a recipe does not go together with its method; None: it fits."""
    if recipe.method != "distill":
        return (
            "distill: this section needs method: distill; set that, or remove the section" if recipe.distill else None
        )
    if recipe.distill is None:
        return "method distill needs a teacher: set distill.teacher to a model directory"
    if recipe.rl.kl:
        return f"rl.kl={recipe.rl.kl}: with method distill the teacher is the reference; remove rl.kl"
    if recipe.rl.gold_in_group != "never":
        return "rl.gold_in_group: method distill learns only from the student's own samples; remove rl.gold_in_group"
    if recipe.rl.skipping is not None:
        return (
            "rl.skipping: skipping uses the variance of rewards, from which method distill does not learn; "
            "remove rl.skipping"
        )
    return None
