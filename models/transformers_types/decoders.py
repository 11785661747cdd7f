"""Text in, scores for the next token out: the models that write."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import GROUPED, TEXT, Text, build

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
biogpt = partial(build, Text, "BioGptForCausalLM", **TEXT)
codegen = partial(
    build, Text, "CodeGenForCausalLM", vocab_size=256, n_embd=32, n_layer=2, n_head=4, rotary_dim=4, n_positions=512
)
cohere = partial(build, Text, "CohereForCausalLM", **GROUPED)
cohere2 = partial(build, Text, "Cohere2ForCausalLM", **GROUPED, sliding_window=16)
ctrl = partial(build, Text, "CTRLLMHeadModel", vocab_size=256, n_embd=32, n_layer=2, n_head=4, dff=64, n_positions=512)
gemma3_text = partial(build, Text, "Gemma3ForCausalLM", **GROUPED, head_dim=8, sliding_window=16)
glm = partial(build, Text, "GlmForCausalLM", **GROUPED, head_dim=8)
glm4 = partial(build, Text, "Glm4ForCausalLM", **GROUPED, head_dim=8)
gpt_bigcode = partial(
    build, Text, "GPTBigCodeForCausalLM", vocab_size=256, n_embd=32, n_layer=2, n_head=4, n_positions=512
)
gpt_neox_japanese = partial(build, Text, "GPTNeoXJapaneseForCausalLM", **TEXT)
granite = partial(build, Text, "GraniteForCausalLM", **GROUPED)
helium = partial(build, Text, "HeliumForCausalLM", **GROUPED, head_dim=8)
olmo = partial(build, Text, "OlmoForCausalLM", **GROUPED)
olmo2 = partial(build, Text, "Olmo2ForCausalLM", **GROUPED)
olmo3 = partial(build, Text, "Olmo3ForCausalLM", **GROUPED, sliding_window=16)
openai_gpt = partial(
    build, Text, "OpenAIGPTLMHeadModel", vocab_size=256, n_embd=32, n_layer=2, n_head=4, n_positions=512
)
persimmon = partial(build, Text, "PersimmonForCausalLM", **TEXT)
phi3 = partial(build, Text, "Phi3ForCausalLM", **GROUPED)
smollm3 = partial(build, Text, "SmolLM3ForCausalLM", **GROUPED)
stablelm = partial(build, Text, "StableLmForCausalLM", **GROUPED)
starcoder2 = partial(build, Text, "Starcoder2ForCausalLM", **GROUPED)
xglm = partial(
    build,
    Text,
    "XGLMForCausalLM",
    vocab_size=256,
    d_model=32,
    num_layers=2,
    attention_heads=4,
    ffn_dim=64,
    max_position_embeddings=512,
)
nemotron = partial(build, Text, "NemotronForCausalLM", **GROUPED)
mpt = partial(build, Text, "MptForCausalLM", vocab_size=256, d_model=32, n_layers=2, n_heads=4, max_seq_len=512)
diffllama = partial(build, Text, "DiffLlamaForCausalLM", **GROUPED)
ernie4_5 = partial(build, Text, "Ernie4_5ForCausalLM", **GROUPED)
exaone4 = partial(build, Text, "Exaone4ForCausalLM", **GROUPED, sliding_window=16)
hunyuan_v1_dense = partial(build, Text, "HunYuanDenseV1ForCausalLM", **GROUPED, head_dim=8)
arcee = partial(build, Text, "ArceeForCausalLM", **GROUPED)
bitnet = partial(build, Text, "BitNetForCausalLM", **GROUPED)
seed_oss = partial(build, Text, "SeedOssForCausalLM", **GROUPED, head_dim=8)
apertus = partial(build, Text, "ApertusForCausalLM", **GROUPED)
doge = partial(build, Text, "DogeForCausalLM", **GROUPED)
nanochat = partial(build, Text, "NanoChatForCausalLM", **GROUPED)
