"""Text in, scores for the next token out: the models that write."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import TEXT, Text, build

GROUPED = {**TEXT, "num_key_value_heads": 2}
"""Two heads of queries share one of keys and values."""
bloom = partial(build, Text, "BloomForCausalLM", vocab_size=256, hidden_size=32, n_layer=2, n_head=4)
falcon = partial(build, Text, "FalconForCausalLM", **TEXT, ffn_hidden_size=64)
gemma = partial(build, Text, "GemmaForCausalLM", **GROUPED, head_dim=8)
gemma2 = partial(build, Text, "Gemma2ForCausalLM", **GROUPED, head_dim=8, query_pre_attn_scalar=8, sliding_window=16)
gpt2 = partial(build, Text, "GPT2LMHeadModel", **TEXT)
# Every other layer looks only at what is near.
gpt_neo = partial(build, Text, "GPTNeoForCausalLM", **TEXT, attention_types=[[["global", "local"], 1]], window_size=16)
gpt_neox = partial(build, Text, "GPTNeoXForCausalLM", **TEXT)
gptj = partial(build, Text, "GPTJForCausalLM", **TEXT, n_inner=64, rotary_dim=4)
llama = partial(build, Text, "LlamaForCausalLM", **GROUPED)
# A state space model: no attention, a scan over the sequence.
mamba = partial(build, Text, "MambaForCausalLM", vocab_size=256, hidden_size=32, num_hidden_layers=2, state_size=4)
mistral = partial(build, Text, "MistralForCausalLM", **GROUPED, sliding_window=16)
mixtral = partial(build, Text, "MixtralForCausalLM", **GROUPED, num_local_experts=4, num_experts_per_tok=2)
opt = partial(build, Text, "OPTForCausalLM", **TEXT, ffn_dim=64, word_embed_proj_dim=32)
phi = partial(build, Text, "PhiForCausalLM", **TEXT)
qwen2 = partial(build, Text, "Qwen2ForCausalLM", **GROUPED)
qwen3 = partial(build, Text, "Qwen3ForCausalLM", **GROUPED, head_dim=8)
