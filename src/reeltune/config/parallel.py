"""How one run is spread over processes."""

from typing import Literal

from pydantic import Field, model_validator

from reeltune.config.section import Section

Dtype = Literal["float32", "bfloat16"]


class ParallelConfig(Section):
    """Without `shard` every process holds the whole model; with it each holds a part of every weight (FSDP2)."""

    shard: Literal["none", "full"] = Field("none", description="full: weights, gradients and moments in parts.")
    replicate: int = Field(1, ge=1, description="Copies of the sharded model, such as one a node (hybrid sharding).")
    param_dtype: Dtype | None = Field(None, description="Of gathered weights, so of computation; none: model.dtype.")
    reduce_dtype: Dtype = Field("float32", description="Of gradients while they are added up.")
    offload: bool = Field(False, description="Weights, gradients and moments wait in the memory of the host.")

    @model_validator(mode="after")
    def _belongs_to_shard(self) -> "ParallelConfig":
        fields = type(self).model_fields
        given = sorted(name for name in fields if getattr(self, name) != fields[name].default)
        if self.shard == "none" and given:
            raise ValueError(f"{', '.join(given)} goes with shard: full; set parallel.shard to full, or drop it")
        return self
