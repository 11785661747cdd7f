"""Text in, a vector for every token out."""

from __future__ import annotations

from torch import nn

from models.transformers_types.small import TEXT, MaskedText, Text, build


def albert() -> nn.Module:
    return build(MaskedText, "AlbertModel", **TEXT, embedding_size=16)


def bert() -> nn.Module:
    return build(MaskedText, "BertModel", **TEXT)


def big_bird() -> nn.Module:
    return build(MaskedText, "BigBirdModel", **TEXT, attention_type="original_full")


def canine() -> nn.Module:
    return build(MaskedText, "CanineModel", **TEXT, num_hash_buckets=64, local_transformer_stride=16)


def convbert() -> nn.Module:
    return build(MaskedText, "ConvBertModel", **TEXT, embedding_size=32)


def deberta() -> nn.Module:
    return build(MaskedText, "DebertaModel", **TEXT, relative_attention=True, pos_att_type=["p2c", "c2p"])


def deberta_v2() -> nn.Module:
    return build(MaskedText, "DebertaV2Model", **TEXT, relative_attention=True, pos_att_type=["p2c", "c2p"])


def distilbert() -> nn.Module:
    return build(MaskedText, "DistilBertModel", **TEXT, hidden_dim=64)


def electra() -> nn.Module:
    return build(MaskedText, "ElectraModel", **TEXT, embedding_size=16)


def esm() -> nn.Module:
    return build(MaskedText, "EsmModel", **TEXT, mask_token_id=2, position_embedding_type="rotary")


def fnet() -> nn.Module:
    """Fourier transforms in place of attention: nothing can be masked."""
    return build(Text, "FNetModel", **TEXT)


def mobilebert() -> nn.Module:
    return build(MaskedText, "MobileBertModel", **TEXT, embedding_size=16, intra_bottleneck_size=16)


def modernbert() -> nn.Module:
    return build(MaskedText, "ModernBertModel", **TEXT, cls_token_id=1, sep_token_id=2)


def mpnet() -> nn.Module:
    return build(MaskedText, "MPNetModel", **TEXT)


def roberta() -> nn.Module:
    return build(MaskedText, "RobertaModel", **TEXT)


def roformer() -> nn.Module:
    return build(MaskedText, "RoFormerModel", **TEXT)


def xlnet() -> nn.Module:
    return build(MaskedText, "XLNetModel", vocab_size=256, d_model=32, n_layer=2, n_head=4, d_inner=64)
