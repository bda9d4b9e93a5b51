"""p-MoD's settings (arXiv 2412.04449): how vision tokens skip decoder layers."""

from typing import Literal

from pydantic import Field, model_validator

from reeltune.config.section import Section

Schedule = Literal["cosine", "linear", "constant", "interleaved"]
Weight = Literal["tanh", "sigmoid", "softmax"]
Modality = Literal["image", "video"]


class MixtureOfDepthsConfig(Section):
    """The defaults are the paper's; other values of the first five are ablations."""

    schedule: Schedule = Field(
        "cosine", description="How the kept share decreases with depth; cosine is the paper's PRD."
    )
    weight: Weight = Field(
        "tanh", description="Function from router logit to weight; tanh is TanhNorm, 1 + alpha * tanh."
    )
    scale_skipped: bool = Field(True, description="STRing: also weight skipped tokens; false: one-sided.")
    floor: float = Field(0.15, ge=0, le=1, description="Minimum kept share of the cosine and linear schedules.")
    dense_above: float = Field(0.85, ge=0, description="Layers with a larger share stay dense.")
    alpha: float = Field(0.2, gt=0, lt=1, description="Range of TanhNorm: weights are between 1 - alpha and 1 + alpha.")
    mean_ratio: float | None = Field(
        None, gt=0, le=1, description="Mean share of the schedules constant and interleaved; none: that of cosine."
    )
    router_std: float = Field(
        0.0, ge=0, description="Standard deviation of a new router's weights; 0 as published, 0.02 as an alternative."
    )
    route: tuple[Modality, ...] = Field(("image", "video"), min_length=1, description="Tokens that may be skipped.")

    @model_validator(mode="after")
    def _mean_belongs_to_flat_schedules(self) -> "MixtureOfDepthsConfig":
        if self.mean_ratio is not None and self.schedule not in ("constant", "interleaved"):
            raise ValueError("mean_ratio needs the schedule constant or interleaved; remove it")
        return self
