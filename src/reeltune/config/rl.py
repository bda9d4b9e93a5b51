"""How a step of reinforcement learning samples, compares and weighs: the section `rl` of a recipe."""

from typing import Literal

from pydantic import Field, model_validator

from reeltune.config.section import Section


class SkippingConfig(Section):
    """Skips uninformative prompts before their rollout; zero-variance groups can be replaced after it."""

    explore: float = Field(
        0.5,
        gt=0,
        le=1,
        description="Probability explore^n of sampling a prompt again after n zero-variance groups; 1: always.",
    )
    least: float = Field(
        0.1, gt=0, le=1, description="Minimum of that probability, so that no prompt is skipped forever."
    )
    min_std: float = Field(0.05, ge=0, description="A group with a smaller std of its rewards counts as zero variance.")
    max_resampled: int = Field(0, ge=0, description="Maximum number of zero-variance groups that a step replaces.")


class RLConfig(Section):
    """GRPO: what is sampled, how a group's rewards become advantages, and the loss."""

    steps: int = Field(100, ge=0, description="Number of optimizer steps.")
    groups_per_step: int = Field(8, ge=1, description="Prompts per optimizer step, over all processes.")
    group_size: int = Field(8, ge=2, description="G, completions per prompt.")
    updates_per_rollout: int = Field(1, ge=1, description="Optimizer updates per rollout.")
    temperature: float = Field(1.0, gt=0, description="Sampling temperature.")
    top_p: float = Field(1.0, gt=0, le=1, description="Sample from the most likely tokens with this total probability.")
    top_k: int = Field(0, ge=0, description="Sample from the k most likely tokens; 0: from all.")
    max_new_tokens: int = Field(256, ge=1, description="Maximum tokens per completion.")
    loss: str = Field("dapo", description="grpo, dapo, dr_grpo, bnpo, gspo, or module:object / file.py:object.")
    clip_low: float = Field(0.2, ge=0, description="Clip the probability ratio at 1 - clip_low.")
    clip_high: float = Field(0.2, ge=0, description="Clip the probability ratio at 1 + clip_high.")
    kl: float = Field(
        0.0, ge=0, description="Weight of the KL (k3 estimate) to the initial model; 0: no reference model."
    )
    advantage_scale: Literal["group", "task", "moving", "batch", "none"] = Field(
        "group",
        description="Std that divides the advantage: of the group, of the task in this step, moving (over "
        "steps), or of the batch.",
    )
    advantage_decay: float = Field(
        0.9, ge=0, lt=1, description="Decay of the moving average for advantage_scale=moving."
    )
    gold_in_group: Literal["never", "unsolved", "always"] = Field(
        "never",
        description="Replace the last completion by the gold one; unsolved: only if no completion earns as much.",
    )
    advantage_epsilon: float = Field(1e-4, ge=0, description="Added to the std that divides the advantage.")
    std_floor: float = Field(
        0.0, ge=0, description="Minimum std to divide by; keeps noise from becoming a full-size gradient."
    )
    skipping: SkippingConfig | None = Field(
        None, description="Skip uninformative prompts ({}: with defaults). None: sample every prompt."
    )
    mask_truncated: bool = Field(False, description="Exclude completions truncated at max_new_tokens from the loss.")
    parity_tolerance: float | None = Field(
        None, gt=0, description="Maximum difference of rollout and learner log-probs at the first step."
    )

    correction: Literal["none", "truncated", "masked"] = Field(
        "none",
        description="Weight tokens by the ratio learner / rollout probability: truncated at the cap, or masked "
        "(0 above cap or below 1/cap).",
    )
    correction_cap: float = Field(2.0, gt=1, description="Cap of that ratio.")

    @model_validator(mode="after")
    def _dr_grpo_has_no_std(self) -> "RLConfig":
        if self.loss == "dr_grpo" and self.advantage_scale != "none":
            raise ValueError("loss dr_grpo does not divide by the std: set rl.advantage_scale to none")
        return self
