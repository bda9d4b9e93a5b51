"""p-MoD's settings (arXiv 2412.04449): how vision tokens skip decoder layers."""

from typing import Literal

from pydantic import Field, model_validator

from reeltune.config.section import Section

Schedule = Literal["cosine", "linear", "constant", "interleaved"]
Weight = Literal["tanh", "sigmoid", "softmax"]
Modality = Literal["image", "video"]


class MixtureOfDepthsConfig(Section):
    """p-MoD of one model. The defaults are the paper's; another value of the first five is an ablation."""

    schedule: Schedule = Field("cosine", description="How the kept share falls with depth; cosine is the paper's PRD.")
    weight: Weight = Field("tanh", description="From router logit to weight; tanh is TanhNorm, 1 + alpha * tanh.")
    scale_skipped: bool = Field(True, description="STRing: skipped tokens carry the weight too; false: one-sided.")
    floor: float = Field(0.15, ge=0, le=1, description="Least kept share of the cosine and linear schedules.")
    dense_above: float = Field(0.85, ge=0, description="A layer whose share is above this stays dense.")
    alpha: float = Field(0.2, gt=0, lt=1, description="Reach of TanhNorm: weights lie in 1 - alpha .. 1 + alpha.")
    mean_ratio: float | None = Field(
        None, gt=0, le=1, description="Mean share of constant and interleaved; none: the cosine schedule's mean."
    )
    router_std: float = Field(
        0.0, ge=0, description="Spread of a new router's weights; 0 is the published start, .02 an option of ours."
    )
    route: tuple[Modality, ...] = Field(("image", "video"), min_length=1, description="Tokens that may be skipped.")

    @model_validator(mode="after")
    def _mean_belongs_to_flat_schedules(self) -> "MixtureOfDepthsConfig":
        if self.mean_ratio is not None and self.schedule not in ("constant", "interleaved"):
            raise ValueError("mean_ratio belongs to the schedules constant and interleaved; drop it")
        return self
