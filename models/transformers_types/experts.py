"""Text in, scores for the next token out: only some of the layers' experts look at a token."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import GROUPED, TEXT, Text, build

LATENT = {
    **TEXT, "num_key_value_heads": 4, "q_lora_rank": 16, "kv_lora_rank": 16, "qk_rope_head_dim": 8,
    "qk_nope_head_dim": 8, "v_head_dim": 8, "n_routed_experts": 4, "num_experts_per_tok": 2,
    "moe_intermediate_size": 32, "first_k_dense_replace": 1,
}  # fmt: skip
"""Of DeepSeek's: keys and values come from a smaller vector."""

granitemoe = partial(build, Text, "GraniteMoeForCausalLM", **GROUPED, num_local_experts=4, num_experts_per_tok=2)
olmoe = partial(build, Text, "OlmoeForCausalLM", **GROUPED, num_experts=4, num_experts_per_tok=2)
phimoe = partial(build, Text, "PhimoeForCausalLM", **GROUPED, num_local_experts=4)
qwen2_moe = partial(
    build,
    Text,
    "Qwen2MoeForCausalLM",
    **GROUPED,
    num_experts=4,
    num_experts_per_tok=2,
    moe_intermediate_size=32,
    shared_expert_intermediate_size=32,
)
qwen3_moe = partial(
    build,
    Text,
    "Qwen3MoeForCausalLM",
    **GROUPED,
    num_experts=4,
    num_experts_per_tok=2,
    moe_intermediate_size=32,
    head_dim=8,
)
deepseek_v2 = partial(build, Text, "DeepseekV2ForCausalLM", **LATENT)
deepseek_v3 = partial(build, Text, "DeepseekV3ForCausalLM", **LATENT, n_group=2, topk_group=1)
gpt_oss = partial(
    build,
    Text,
    "GptOssForCausalLM",
    **GROUPED,
    head_dim=8,
    num_local_experts=4,
    num_experts_per_tok=2,
    sliding_window=16,
)
jetmoe = partial(
    build,
    Text,
    "JetMoeForCausalLM",
    vocab_size=256,
    hidden_size=32,
    num_hidden_layers=2,
    num_key_value_heads=2,
    kv_channels=8,
    intermediate_size=64,
    num_local_experts=4,
    num_experts_per_tok=2,
    max_position_embeddings=512,
)
minimax = partial(
    build, Text, "MiniMaxForCausalLM", **GROUPED, head_dim=8, num_local_experts=4, num_experts_per_tok=2, block_size=8
)
