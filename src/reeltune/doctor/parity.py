"""Whether a server and the learner read the same prompts and compute the same: a table per family of models."""

from collections.abc import Iterator

import torch

from reeltune.doctor.checks import Finding
from reeltune.http import Requests
from reeltune.models.policy import Policy
from reeltune.rollout import probe
from reeltune.rollout.messages import Messages, require_served
from reeltune.rollout.server import LARGEST_ANSWER, Down, Refused, Server
from reeltune.video.cache import FrameCache

TIMEOUT_S = 120.0


def parity(policy: Policy, url: str, *, frames: FrameCache | None = None) -> Iterator[Finding]:
    """One row for every case and every thing that may differ. The server holds the policy's weights: it was started
    with them. `frames`: send frames by way of this cache, not features.

    Positions are not told by a server: they are as they should be where the log-probs are, of a video whose frames are
    not evenly spaced above all.
    """
    require_served(policy.family, "embeds" if frames is None else "frames")
    server = Server(url, Requests(LARGEST_ANSWER), timeout_s=TIMEOUT_S)
    family = type(policy.family).__name__
    try:
        rows = server.weight_sum()
        about = f"vLLM {server.version()}, {server.model().get('root')}, {', '.join(rows[0]['dtypes'])}"
    except (Down, Refused) as error:
        yield Finding(f"{family}: server", False, str(error), "start it with: reeltune serve MODEL")
        return
    yield Finding(f"{family}: server", True, about)
    dtypes = {*rows[0]["dtypes"], str(next(policy.parameters()).dtype).removeprefix("torch.")}
    tolerance = probe.TOLERANCE["float32" if dtypes == {"float32"} else "bf16"]
    messages = Messages(policy, frames=frames)
    for case in probe.cases(policy):
        yield from _rows(server, messages, policy, case, tolerance)


def _rows(server: Server, messages: Messages, policy: Policy, case: probe.Case, tolerance: float) -> Iterator[Finding]:
    name = f"{type(policy.family).__name__}, {case.name}"
    video = bool(case.request.prompt.media)
    try:
        with torch.no_grad():
            seen = probe.look(server, messages, policy, case)
    except (Down, Refused, KeyError, TypeError, ValueError) as error:
        yield Finding(f"{name}: answer", False, f"{type(error).__name__}: {error}", "check the server's log")
        return
    advice = "its tokenizer, chat template or vLLM version differs: start it with `reeltune serve` and this model"
    told = f"{seen.tokens} equal" if seen.ids else seen.why.splitlines()[0]
    yield Finding(f"{name}: prompt ids", seen.ids, told, advice)
    if not seen.ids:
        return
    assert seen.gap is not None
    same = seen.gap <= tolerance
    if video:
        in_text = policy.family.served_times == "text"
        yield Finding(f"{name}: time stamps", True if in_text else same, "in the text" if in_text else "in positions")
        advice = "vLLM computes other positions for this clip: rollout.media=embeds sends ours"
        yield Finding(f"{name}: positions", same, "by the log-probs", "" if same else advice)
    seen_gap = f"{seen.gap:.1e} apart at most (at most {tolerance:g})"
    yield Finding(f"{name}: log-probs", same, seen_gap, "" if same else "its weights or precision differ")
