"""Where a run stands, and the dashboards that follow it."""

from typing import Literal

from pydantic import Field

from reeltune.config.section import Section


class RunConfig(Section):
    """Where a run stands, and who else is told of it."""

    dir: str = Field("runs/train", description="The run directory.")
    trackers: list[Literal["tensorboard", "wandb", "mlflow", "trackio"]] = Field([])
    groups_every: int = Field(10, ge=0, description="Steps between groups that trackers get as a table; 0: none.")
