"""GRPO in the open: what `reeltune train recipes/toy/grpo.yaml` computes, over the public API.

    python examples/grpo.py recipes/toy/grpo.yaml rl.steps=3

A test holds its loss, reward and gradient norm equal to those of `reeltune train`. Left out: evaluation, checkpoints,
several processes, passes of limited size, the other losses. Letters: B groups, G completions, C completion tokens.
"""

import sys

import torch

import reeltune as rt
from reeltune.training.optimizer import learning_rate, make_optimizer


def main(path: str, *overrides: str) -> None:
    recipe = rt.recipe(path, *overrides)
    rl = recipe.rl
    torch.manual_seed(recipe.seed)
    samples = rt.samples(recipe.data.train[0].path, toyworld=recipe.toyworld)
    draws = rt.schedule(recipe, [len(samples)])
    model = rt.load(recipe)
    optimizer = make_optimizer(model.policy, recipe.optim)

    for step in range(recipe.steps):
        # 1. Roll out: each video and prompt once, G completions of it; reward them.
        groups = model.sample([samples[index] for index in draws.step(step)], step=step)
        rt.reward(groups, recipe)
        rewards = torch.stack([group.rewards.total for group in groups])  # [B, G]

        # 2. Advantages: how much better than its own group, in the group's standard deviations.
        std = rewards.std(1, keepdim=True).clamp(min=rl.std_floor)
        advantages = (rewards - rewards.mean(1, keepdim=True)) / (std + rl.advantage_epsilon)

        # 3. The clipped surrogate, averaged over all completion tokens of the step (DAPO's weights). Right after the
        #    rollout the old log-probs are the current ones, so the ratio is 1 and only its gradient matters.
        tokens = sum(int(group.completions.mask.sum()) for group in groups)
        loss = torch.zeros(())
        for group, advantage, log_probs in zip(groups, advantages, model.log_probs(groups), strict=True):
            ratio = (log_probs - log_probs.detach()).exp()  # [G, C]
            clipped = ratio.clamp(1 - rl.clip_low, 1 + rl.clip_high)
            surrogate = torch.minimum(ratio * advantage[:, None], clipped * advantage[:, None])
            loss = loss - (surrogate * group.completions.mask).sum() / tokens

        # 4. One optimizer step.
        for parameters in optimizer.param_groups:
            parameters["lr"] = learning_rate(step, recipe.steps, recipe.optim)
        optimizer.zero_grad()
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(model.policy.parameters(), recipe.optim.max_grad_norm)
        optimizer.step()
        print(f"{step + 1} loss {float(loss):.6f} reward {float(rewards.mean()):.6f} grad_norm {float(norm):.6f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
