"""How one run is spread over processes."""

from typing import Literal

from pydantic import Field, model_validator

from reeltune.config.section import Section

Dtype = Literal["float32", "bfloat16"]


class ParallelConfig(Section):
    """Without `shard` every process holds the complete model; with it, one shard of every weight (FSDP2)."""

    shard: Literal["none", "full"] = Field("none", description="full: shard weights, gradients and moments.")
    replicate: int = Field(1, ge=1, description="Copies of the sharded model, such as one per node (hybrid sharding).")
    param_dtype: Dtype | None = Field(
        None, description="Data type of gathered weights and computation; none: model.dtype."
    )
    reduce_dtype: Dtype = Field("float32", description="Data type in which gradients are reduced.")
    offload: bool = Field(False, description="Keep weights, gradients and moments in host memory.")

    @model_validator(mode="after")
    def _belongs_to_shard(self) -> "ParallelConfig":
        fields = type(self).model_fields
        given = sorted(name for name in fields if getattr(self, name) != fields[name].default)
        if self.shard == "none" and given:
            raise ValueError(f"{', '.join(given)} needs parallel.shard=full; set that, or remove the setting")
        return self
