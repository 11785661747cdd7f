"""Text in, a vector for every token out."""

from __future__ import annotations

from functools import partial

from models.transformers_types.small import TEXT, MaskedText, Text, build

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
