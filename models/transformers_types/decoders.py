"""Text in, scores for the next token out: the models that write."""

from __future__ import annotations

from torch import nn

from models.transformers_types.small import TEXT, Text, build

GROUPED = {**TEXT, "num_key_value_heads": 2}
"""Two heads of queries share one of keys and values."""


def bloom() -> nn.Module:
    return build(Text, "BloomForCausalLM", vocab_size=256, hidden_size=32, n_layer=2, n_head=4)


def falcon() -> nn.Module:
    return build(Text, "FalconForCausalLM", **TEXT, ffn_hidden_size=64)


def gemma() -> nn.Module:
    return build(Text, "GemmaForCausalLM", **GROUPED, head_dim=8)


def gemma2() -> nn.Module:
    return build(Text, "Gemma2ForCausalLM", **GROUPED, head_dim=8, query_pre_attn_scalar=8, sliding_window=16)


def gpt2() -> nn.Module:
    return build(Text, "GPT2LMHeadModel", **TEXT)


def gpt_neo() -> nn.Module:
    """Every other layer looks only at what is near."""
    return build(Text, "GPTNeoForCausalLM", **TEXT, attention_types=[[["global", "local"], 1]], window_size=16)


def gpt_neox() -> nn.Module:
    return build(Text, "GPTNeoXForCausalLM", **TEXT)


def gptj() -> nn.Module:
    return build(Text, "GPTJForCausalLM", **TEXT, n_inner=64, rotary_dim=4)


def llama() -> nn.Module:
    return build(Text, "LlamaForCausalLM", **GROUPED)


def mamba() -> nn.Module:
    """A state space model: no attention, a scan over the sequence."""
    return build(Text, "MambaForCausalLM", vocab_size=256, hidden_size=32, num_hidden_layers=2, state_size=4)


def mistral() -> nn.Module:
    return build(Text, "MistralForCausalLM", **GROUPED, sliding_window=16)


def mixtral() -> nn.Module:
    return build(Text, "MixtralForCausalLM", **GROUPED, num_local_experts=4, num_experts_per_tok=2)


def opt() -> nn.Module:
    return build(Text, "OPTForCausalLM", **TEXT, ffn_dim=64, word_embed_proj_dim=32)


def phi() -> nn.Module:
    return build(Text, "PhiForCausalLM", **TEXT)


def qwen2() -> nn.Module:
    return build(Text, "Qwen2ForCausalLM", **GROUPED)


def qwen3() -> nn.Module:
    return build(Text, "Qwen3ForCausalLM", **GROUPED, head_dim=8)
