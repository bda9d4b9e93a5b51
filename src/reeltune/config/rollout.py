"""Who samples completions: the section `rollout` of a recipe, and what of `rl` an engine of servers cannot do."""

from typing import TYPE_CHECKING, Literal

from pydantic import Field, field_validator

from reeltune.config.section import Section

if TYPE_CHECKING:
    from reeltune.config.recipe import Recipe

VLLM = "vllm"


class LaunchConfig(Section):
    """Servers that start and end with the run, on this machine."""

    replicas: int = Field(1, ge=1, description="Servers, on GPUs of their own, one after the other.")
    tensor: int = Field(1, ge=1, description="GPUs of one server.")
    python: str = Field("python", description="The Python of the environment that vLLM is installed in.")
    port: int = Field(8100, ge=1, le=65535, description="Of the first server; the next ones count up.")
    first_gpu: int = Field(0, ge=0, description="The servers' GPUs begin here; the run's own stand before.")
    options: list[str] = Field([], description="Further words of vLLM's command line.")
    ready_s: float = Field(900.0, gt=0, description="Longest start of a server.")


class RolloutConfig(Section):
    """Who samples completions. What is said of servers is for the engine `vllm`."""

    engine: str = Field(
        "hf", description="hf, vllm, or module:object / file.py:object: (policy, recipe) -> engine of your own."
    )
    servers: list[str] = Field([], description="http://HOST:PORT of servers that `reeltune serve` started.")
    launch: LaunchConfig | None = Field(None, description="{} starts the servers beside the run, in place of servers.")
    media: Literal["embeds", "frames"] = Field(
        "embeds", description="embeds: the learner's features travel; frames: servers read them from a shared disk."
    )
    publish: Literal["disk", "lora", "nccl"] = Field(
        "disk", description="How servers get new weights: the whole model, or the adapter alone, as files."
    )
    publish_dir: str | None = Field(None, description="Where these files go, seen by all servers; none: RUN/published.")
    max_staleness: int = Field(
        0, ge=0, description="Steps that rollouts run ahead of the update; 0: synchronous, bit for bit."
    )
    timeout_s: float = Field(600.0, gt=0, description="Longest answer to one request, and longest publishing.")
    retries: int = Field(3, ge=1, description="Further tries of a request, each on another server where there is one.")
    min_servers: int = Field(1, ge=1, description="Fewer that answer, for timeout_s, end the run: exit code 75.")

    @field_validator("servers")
    @classmethod
    def _addresses(cls, servers: list[str]) -> list[str]:
        for each in servers:
            host = each.partition("://")[2]
            if not each.startswith(("http://", "https://")) or not host.strip("/") or any(c in each for c in "@?# "):
                raise ValueError(f"a server looks like http://HOST:PORT, without a path, user or query; got {each!r}")
            if host.rstrip("/").count("/"):
                raise ValueError(f"a server is its address alone, without the path; got {each!r}")
        found = [each.rstrip("/") for each in servers]
        if len(set(found)) < len(found):
            raise ValueError(f"a server stands twice in {found}")
        return found


def rollout_problem(recipe: "Recipe") -> str | None:
    """What of the section does not fit the rest of the recipe, in words."""
    rollout = recipe.rollout
    for problem in (_staleness(recipe), _servers(rollout)):
        if problem:
            return problem
    if rollout.engine != VLLM:
        return None
    if rollout.publish == "nccl":
        return (
            "rollout.publish=nccl is not served yet: it needs GPUs that learner and servers share, which nobody here "
            "could test; take disk (a folder in memory, such as /dev/shm, is quick), or lora"
        )
    if rollout.publish == "lora":
        return _adapter(recipe)
    return None


def log_probs_problem(recipe: "Recipe") -> str | None:
    """What nobody may train on: log-probs of another distribution than the learner's. In words."""
    rl = recipe.rl
    if recipe.rollout.engine == VLLM and recipe.samples_completions and (rl.top_p < 1 or rl.top_k > 0):
        return (
            f"rl.top_p={rl.top_p:g} and rl.top_k={rl.top_k}: a server's log-probs are those after the cut, the "
            "learner's before it. With rollout.engine=vllm train with rl.top_p=1 and rl.top_k=0"
        )
    return None


def _servers(rollout: RolloutConfig) -> str | None:
    given = bool(rollout.servers) + (rollout.launch is not None)
    if rollout.engine == VLLM and given != 1:
        return "rollout.engine=vllm needs rollout.servers or rollout.launch, and one of them alone"
    if rollout.engine == "hf" and given:
        return "rollout.engine=hf asks no servers: set rollout.engine to vllm, or take rollout.servers and launch out"
    count = rollout.launch.replicas if rollout.launch else len(rollout.servers)
    if rollout.engine == VLLM and rollout.min_servers > count:
        return f"rollout.min_servers={rollout.min_servers} is more than the {count} there are"
    return None


def _staleness(recipe: "Recipe") -> str | None:
    if recipe.rl.correction != "none" and recipe.method != "grpo":
        return f"rl.correction={recipe.rl.correction} is for method grpo; with {recipe.method} it must be none"
    if recipe.rollout.max_staleness == 0:
        return None
    if recipe.method != "grpo":
        return f"rollout.max_staleness is for method grpo; with {recipe.method} it must be 0"
    if recipe.rl.skipping:
        return (
            "rollout.max_staleness > 0 rolls out before the rewards are known that rl.skipping looks at: take "
            "rl.skipping out, or set rollout.max_staleness to 0"
        )
    if recipe.rl.gold_in_group != "never":
        return "rollout.max_staleness > 0: a gold completion has no behavior log-probs; set rl.gold_in_group to never"
    return None


def _adapter(recipe: "Recipe") -> str | None:
    if recipe.adapter is None:
        return "rollout.publish=lora publishes an adapter, and the recipe has none: add adapter, or take disk"
    if "projector" not in recipe.model.freeze or recipe.model.mixture_of_depths:
        return (
            "rollout.publish=lora: vLLM takes low-rank matrices alone, and here whole modules train beside them; add "
            "projector to model.freeze, or take rollout.publish=disk"
        )
    return None
