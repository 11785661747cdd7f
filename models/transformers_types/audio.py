"""Sound in; letters, words or vectors out."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import Speech, Wave, build

WAVES = {
    "vocab_size": 32,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "conv_dim": [16, 16, 32],
    "conv_kernel": [10, 3, 2],
    "conv_stride": [5, 2, 2],
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
}
"""Of the models that begin with convolutions over samples."""
audio_spectrogram_transformer = partial(
    build,
    Wave,
    "ASTForAudioClassification",
    hidden_size=32,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=64,
    max_length=96,
    num_mel_bins=32,
)
hubert = partial(build, Wave, "HubertModel", **WAVES)
wav2vec2 = partial(build, Wave, "Wav2Vec2ForCTC", **WAVES)
wavlm = partial(build, Wave, "WavLMModel", **WAVES)
whisper = partial(
    build,
    Speech,
    "WhisperForConditionalGeneration",
    vocab_size=256,
    num_mel_bins=32,
    d_model=32,
    encoder_layers=2,
    decoder_layers=2,
    encoder_attention_heads=4,
    decoder_attention_heads=4,
    encoder_ffn_dim=64,
    decoder_ffn_dim=64,
    max_source_positions=64,
    max_target_positions=128,
    pad_token_id=0,
    decoder_start_token_id=1,
)
data2vec_audio = partial(
    build,
    Wave,
    "Data2VecAudioModel",
    **{k: v for k, v in WAVES.items() if k != "num_conv_pos_embeddings"},
    num_conv_pos_embeddings=2,
    conv_pos_kernel_size=5,
)
unispeech = partial(build, Wave, "UniSpeechModel", **WAVES)
unispeech_sat = partial(build, Wave, "UniSpeechSatModel", **WAVES)
wav2vec2_conformer = partial(build, Wave, "Wav2Vec2ConformerModel", **WAVES)
