"""How a step of reinforcement learning samples, compares and weighs: the section `rl` of a recipe."""

from typing import Literal

from pydantic import Field, model_validator

from reeltune.config.section import Section


class SkippingConfig(Section):
    """Prompts without signal before are skipped before their rollout; zero-variance groups can be replaced after it."""

    explore: float = Field(
        0.5, gt=0, le=1, description="Asked again with explore^n after n zero-variance groups; 1: always."
    )
    least: float = Field(0.1, gt=0, le=1, description="Asked again at least so often: no prompt is skipped for ever.")
    min_std: float = Field(0.05, ge=0, description="A group whose rewards' std is below has zero variance.")
    max_resampled: int = Field(0, ge=0, description="Zero-variance groups that a step replaces by others, at most.")


class RLConfig(Section):
    """GRPO: what is sampled, how a group's rewards become advantages, and the loss."""

    steps: int = Field(100, ge=0)
    groups_per_step: int = Field(8, ge=1, description="Prompts per optimizer step, over all processes.")
    group_size: int = Field(8, ge=2, description="G, completions per prompt.")
    updates_per_rollout: int = Field(1, ge=1)
    temperature: float = Field(1.0, gt=0)
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0, description="0: no limit.")
    max_new_tokens: int = Field(256, ge=1)
    loss: str = Field("dapo", description="grpo, dapo, dr_grpo, bnpo, gspo, or module:object / file.py:object.")
    clip_low: float = Field(0.2, ge=0)
    clip_high: float = Field(0.2, ge=0)
    kl: float = Field(0.0, ge=0, description="Weight of the k3 divergence from the initial model; 0: no reference.")
    advantage_scale: Literal["group", "task", "moving", "batch", "none"] = Field(
        "group",
        description="Whose std divides the advantage; task: of the step's completions of it; moving: over steps.",
    )
    advantage_decay: float = Field(0.9, ge=0, lt=1, description="Of the moving average of advantage_scale=moving.")
    gold_in_group: Literal["never", "unsolved", "always"] = Field(
        "never", description="The gold completion takes the last one's place; unsolved: where none earns as much."
    )
    advantage_epsilon: float = Field(1e-4, ge=0)
    std_floor: float = Field(0.0, ge=0, description="Least std to divide by: keeps jitter from a full-size gradient.")
    skipping: SkippingConfig | None = Field(None, description="{} switches it on. None: every drawn prompt is asked.")
    mask_truncated: bool = Field(False, description="Completions cut off by max_new_tokens carry no loss.")
    parity_tolerance: float | None = Field(
        None, gt=0, description="Largest difference of rollout and learner log-probs at the first step."
    )

    correction: Literal["none", "truncated", "masked"] = Field(
        "none",
        description="Weighs tokens by learner / rollout probability: at most the cap; masked: 0 beyond it or 1/cap.",
    )
    correction_cap: float = Field(2.0, gt=1, description="Of that ratio.")

    @model_validator(mode="after")
    def _dr_grpo_has_no_std(self) -> "RLConfig":
        if self.loss == "dr_grpo" and self.advantage_scale != "none":
            raise ValueError("loss dr_grpo divides by no std: set rl.advantage_scale to none")
        return self
