"""Text in, scores for the next token out: a state is carried along the text, by itself or between attentions."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import GROUPED, TEXT, Text, build

qwen3_next = partial(
    build,
    Text,
    "Qwen3NextForCausalLM",
    **GROUPED,
    head_dim=8,
    num_experts=4,
    num_experts_per_tok=2,
    moe_intermediate_size=32,
    shared_expert_intermediate_size=32,
    linear_num_key_heads=2,
    linear_num_value_heads=4,
    linear_key_head_dim=8,
    linear_value_head_dim=8,
    layer_types=["linear_attention", "full_attention"],
)
recurrent_gemma = partial(
    build,
    Text,
    "RecurrentGemmaForCausalLM",
    **{**GROUPED, "num_hidden_layers": 3},
    lru_width=32,
    attention_window_size=16,
)
rwkv = partial(
    build,
    Text,
    "RwkvForCausalLM",
    vocab_size=256,
    hidden_size=32,
    num_hidden_layers=2,
    attention_hidden_size=32,
    intermediate_size=64,
    rescale_every=0,
)
mamba2 = partial(
    build,
    Text,
    "Mamba2ForCausalLM",
    vocab_size=256,
    hidden_size=32,
    num_hidden_layers=2,
    state_size=8,
    num_heads=8,
    head_dim=8,
    n_groups=2,
    chunk_size=8,
)
falcon_mamba = partial(
    build, Text, "FalconMambaForCausalLM", vocab_size=256, hidden_size=32, num_hidden_layers=2, state_size=4
)
jamba = partial(
    build,
    Text,
    "JambaForCausalLM",
    **{**GROUPED, "num_hidden_layers": 4},
    attn_layer_period=2,
    attn_layer_offset=1,
    expert_layer_period=2,
    expert_layer_offset=1,
    num_experts=2,
    mamba_d_state=4,
    mamba_dt_rank=4,
    use_mamba_kernels=False,
)
lfm2 = partial(build, Text, "Lfm2ForCausalLM", **GROUPED, layer_types=["conv", "full_attention"])
zamba2 = partial(
    build,
    Text,
    "Zamba2ForCausalLM",
    **{**TEXT, "num_hidden_layers": 3},
    layers_block_type=["mamba", "hybrid", "mamba"],
    mamba_d_state=8,
    mamba_ngroups=2,
    n_mamba_heads=8,
    chunk_size=8,
    num_mem_blocks=1,
)
xlstm = partial(
    build, Text, "xLSTMForCausalLM", vocab_size=256, hidden_size=32, num_hidden_layers=2, num_heads=4, chunk_size=8
)
bamba = partial(
    build,
    Text,
    "BambaForCausalLM",
    **GROUPED,
    attn_layer_indices=[1],
    mamba_n_heads=8,
    mamba_d_head=8,
    mamba_d_state=8,
    mamba_n_groups=1,
    mamba_chunk_size=8,
)
