"""Text in, and the text written so far; scores for the next token out."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import Translation, build

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
bart = partial(build, Translation, "BartForConditionalGeneration", **BART)
m2m_100 = partial(build, Translation, "M2M100ForConditionalGeneration", **BART)
marian = partial(build, Translation, "MarianMTModel", **BART, pad_token_id=0, decoder_start_token_id=0)
t5 = partial(
    build,
    Translation,
    "T5ForConditionalGeneration",
    vocab_size=256,
    d_model=32,
    d_kv=8,
    d_ff=64,
    num_layers=2,
    num_heads=4,
)
