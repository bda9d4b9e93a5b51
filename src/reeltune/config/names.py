"""Our names of losses, model families and rollout engines, and where each stands.

The registries of these names are made where the objects are, beside code that needs torch. The names stand here, so
that a recipe can be checked in a moment.
"""

LOSSES = {name: f"reeltune.training.grpo:{name.upper()}" for name in ("grpo", "dapo", "dr_grpo", "bnpo", "gspo")}

_FAMILIES = "reeltune.models.families."
FAMILIES = {
    "qwen2_vl": _FAMILIES + "qwen2_5_vl:Qwen2VL",
    "qwen2_5_vl": _FAMILIES + "qwen2_5_vl:Qwen25VL",
    "qwen3_vl": _FAMILIES + "qwen3_vl:Qwen3VL",
    "qwen3_vl_moe": _FAMILIES + "qwen3_vl:Qwen3VL",
    "qwen3_5": _FAMILIES + "qwen3_5:Qwen35",
    "qwen3_5_moe": _FAMILIES + "qwen3_5:Qwen35",
    "glm46v": _FAMILIES + "glm46v:GLM46V",
    "llava": _FAMILIES + "llava:Llava",
    "internvl": _FAMILIES + "internvl:InternVL",
    "smolvlm": _FAMILIES + "smolvlm:SmolVLM",
    "llava_onevision": _FAMILIES + "llava_onevision:LlavaOnevision",
}

ENGINES = {"hf": "reeltune.build:hf_engine", "vllm": "reeltune.rollout.vllm:VLLMEngine"}
