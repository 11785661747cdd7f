"""Text in, and the text written so far; scores for the next token out."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import GROUPED, Translation, build

BART = {
    "vocab_size": 256,
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "max_position_embeddings": 512,
}
"""The names that BART's configuration has, and those of its descendants."""
T5 = {"vocab_size": 256, "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4}
"""The names of T5, and of its descendants."""

bart = partial(build, Translation, "BartForConditionalGeneration", **BART)
m2m_100 = partial(build, Translation, "M2M100ForConditionalGeneration", **BART)
marian = partial(build, Translation, "MarianMTModel", **BART, pad_token_id=0, decoder_start_token_id=0)
t5 = partial(build, Translation, "T5ForConditionalGeneration", **T5)
bigbird_pegasus = partial(
    build, Translation, "BigBirdPegasusForConditionalGeneration", **BART, attention_type="original_full"
)
blenderbot = partial(build, Translation, "BlenderbotForConditionalGeneration", **BART)
blenderbot_small = partial(build, Translation, "BlenderbotSmallForConditionalGeneration", **BART)
led = partial(
    build,
    Translation,
    "LEDForConditionalGeneration",
    **{k: v for k, v in BART.items() if k != "max_position_embeddings"},
    attention_window=[8, 8],
    max_encoder_position_embeddings=512,
    max_decoder_position_embeddings=512,
)
longt5 = partial(build, Translation, "LongT5ForConditionalGeneration", **T5, local_radius=7)
mbart = partial(build, Translation, "MBartForConditionalGeneration", **BART)
mt5 = partial(build, Translation, "MT5ForConditionalGeneration", **T5)
mvp = partial(build, Translation, "MvpForConditionalGeneration", **BART)
nllb_moe = partial(
    build,
    Translation,
    "NllbMoeForConditionalGeneration",
    **BART,
    num_experts=4,
    encoder_sparse_step=2,
    decoder_sparse_step=2,
)
pegasus = partial(build, Translation, "PegasusForConditionalGeneration", **BART)
pegasus_x = partial(build, Translation, "PegasusXForConditionalGeneration", **BART, block_size=8, num_global_tokens=4)
plbart = partial(build, Translation, "PLBartForConditionalGeneration", **BART)
prophetnet = partial(
    build,
    Translation,
    "ProphetNetForConditionalGeneration",
    vocab_size=256,
    hidden_size=32,
    encoder_ffn_dim=64,
    num_encoder_layers=2,
    num_encoder_attention_heads=4,
    decoder_ffn_dim=64,
    num_decoder_layers=2,
    num_decoder_attention_heads=4,
    max_position_embeddings=512,
)
switch_transformers = partial(
    build,
    Translation,
    "SwitchTransformersForConditionalGeneration",
    **T5,
    num_experts=4,
    num_sparse_encoder_layers=1,
    num_sparse_decoder_layers=1,
)
umt5 = partial(build, Translation, "UMT5ForConditionalGeneration", **T5)
fsmt = partial(
    build,
    Translation,
    "FSMTForConditionalGeneration",
    langs=["en", "de"],
    src_vocab_size=256,
    tgt_vocab_size=256,
    **{k: v for k, v in BART.items() if k != "vocab_size"},
)
t5gemma = partial(
    build,
    Translation,
    "T5GemmaForConditionalGeneration",
    encoder={**GROUPED, "head_dim": 8, "sliding_window": 16},
    decoder={**GROUPED, "head_dim": 8, "sliding_window": 16},
    vocab_size=256,
)
