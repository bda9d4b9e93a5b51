"""Where a run stands, and the dashboards that follow it."""

from typing import Literal

from pydantic import Field

from reeltune.config.section import Section


class RunConfig(Section):
    """The run directory and trackers."""

    dir: str = Field("runs/train", description="The run directory.")
    trackers: list[Literal["tensorboard", "wandb", "mlflow", "trackio"]] = Field(
        [], description="Experiment trackers that get metrics and groups."
    )
    groups_every: int = Field(10, ge=0, description="Steps between tables of groups sent to trackers; 0: none.")
