"""Text in, a vector for every token out."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import GROUPED, TEXT, MaskedText, Text, build

albert = partial(build, MaskedText, "AlbertModel", **TEXT, embedding_size=16)
bert = partial(build, MaskedText, "BertModel", **TEXT)
big_bird = partial(build, MaskedText, "BigBirdModel", **TEXT, attention_type="original_full")
canine = partial(build, MaskedText, "CanineModel", **TEXT, num_hash_buckets=64, local_transformer_stride=16)
convbert = partial(build, MaskedText, "ConvBertModel", **TEXT, embedding_size=32)
deberta = partial(build, MaskedText, "DebertaModel", **TEXT, relative_attention=True, pos_att_type=["p2c", "c2p"])
deberta_v2 = partial(build, MaskedText, "DebertaV2Model", **TEXT, relative_attention=True, pos_att_type=["p2c", "c2p"])
distilbert = partial(build, MaskedText, "DistilBertModel", **TEXT, hidden_dim=64)
electra = partial(build, MaskedText, "ElectraModel", **TEXT, embedding_size=16)
esm = partial(build, MaskedText, "EsmModel", **TEXT, mask_token_id=2, position_embedding_type="rotary")
# Fourier transforms in place of attention: nothing can be masked.
fnet = partial(build, Text, "FNetModel", **TEXT)
mobilebert = partial(build, MaskedText, "MobileBertModel", **TEXT, embedding_size=16, intra_bottleneck_size=16)
modernbert = partial(build, MaskedText, "ModernBertModel", **TEXT, cls_token_id=1, sep_token_id=2)
mpnet = partial(build, MaskedText, "MPNetModel", **TEXT)
roberta = partial(build, MaskedText, "RobertaModel", **TEXT)
roformer = partial(build, MaskedText, "RoFormerModel", **TEXT)
xlnet = partial(build, MaskedText, "XLNetModel", vocab_size=256, d_model=32, n_layer=2, n_head=4, d_inner=64)
bert_generation = partial(build, MaskedText, "BertGenerationEncoder", **TEXT)
camembert = partial(build, MaskedText, "CamembertForMaskedLM", **TEXT)
data2vec_text = partial(build, MaskedText, "Data2VecTextModel", **TEXT)
ernie = partial(build, MaskedText, "ErnieModel", **TEXT)
eurobert = partial(build, MaskedText, "EuroBertModel", **GROUPED)
flaubert = partial(build, MaskedText, "FlaubertModel", vocab_size=256, emb_dim=32, n_layers=2, n_heads=4)
funnel = partial(
    build,
    MaskedText,
    "FunnelModel",
    vocab_size=256,
    d_model=32,
    n_head=4,
    d_head=8,
    d_inner=64,
    block_sizes=[1, 1],
    num_decoder_layers=1,
)
ibert = partial(build, MaskedText, "IBertModel", **TEXT)
lilt = partial(build, MaskedText, "LiltModel", **{**TEXT, "hidden_size": 48}, channel_shrink_ratio=2)
longformer = partial(build, MaskedText, "LongformerModel", **TEXT, attention_window=[8, 8])
luke = partial(build, MaskedText, "LukeModel", **TEXT, entity_vocab_size=16, entity_emb_size=16)
megatron_bert = partial(build, MaskedText, "MegatronBertModel", **TEXT)
mra = partial(build, MaskedText, "MraModel", **TEXT)
nomic_bert = partial(build, MaskedText, "NomicBertModel", **TEXT)
rembert = partial(build, MaskedText, "RemBertModel", **TEXT, input_embedding_size=16)
roberta_prelayernorm = partial(build, MaskedText, "RobertaPreLayerNormModel", **TEXT)
roc_bert = partial(build, MaskedText, "RoCBertModel", **TEXT, pronunciation_vocab_size=16, shape_vocab_size=16)
splinter = partial(build, MaskedText, "SplinterModel", **TEXT)
squeezebert = partial(build, MaskedText, "SqueezeBertModel", **TEXT, embedding_size=32)
xlm = partial(build, MaskedText, "XLMModel", vocab_size=256, emb_dim=32, n_layers=2, n_heads=4)
xlm_roberta = partial(build, MaskedText, "XLMRobertaModel", **TEXT)
xlm_roberta_xl = partial(build, MaskedText, "XLMRobertaXLModel", **TEXT)
xmod = partial(build, MaskedText, "XmodModel", **TEXT, languages=["en_XX"], default_language="en_XX")
layoutlm = partial(build, MaskedText, "LayoutLMModel", **TEXT)
markuplm = partial(
    build,
    MaskedText,
    "MarkupLMModel",
    **TEXT,
    max_xpath_tag_unit_embeddings=16,
    max_xpath_subs_unit_embeddings=16,
    tag_pad_id=15,
    subs_pad_id=15,
    xpath_unit_hidden_size=8,
    max_depth=4,
)
visual_bert = partial(build, MaskedText, "VisualBertModel", **TEXT, visual_embedding_dim=16)
dpr = partial(build, MaskedText, "DPRContextEncoder", **TEXT)
gte = partial(build, MaskedText, "GteModel", **TEXT)
jina_embeddings_v3 = partial(build, MaskedText, "JinaEmbeddingsV3Model", **TEXT)
modernbert_decoder = partial(build, MaskedText, "ModernBertDecoderForCausalLM", **TEXT, local_attention=16)
reformer = partial(
    build,
    MaskedText,
    "ReformerModel",
    vocab_size=256,
    hidden_size=32,
    num_attention_heads=4,
    attention_head_size=8,
    feed_forward_size=64,
    attn_layers=["local", "local"],
    axial_pos_embds=False,
    local_attn_chunk_length=8,
    max_position_embeddings=512,
)
