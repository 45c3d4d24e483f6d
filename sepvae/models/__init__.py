"""Networks and their configs: no loss, no files. The table has a file for each."""

from sepvae.tables import Table

MODELS = Table(
    "model",
    {
        "dense_vae": "sepvae.models.dense:DenseVae",
        "conv_time_vae": "sepvae.models.conv_time:ConvTimeVae",
        "generator": "sepvae.models.generator:Generator",
        "complex_pair": "sepvae.models.complex_pair:ComplexPair",
        "complex_dense": "sepvae.models.complex_dense:ComplexDense",
        "conv_patch": "sepvae.models.conv_patch:ConvPatch",
        "vrnn": "sepvae.models.vrnn:Vrnn",
        "conditional_vae": "sepvae.models.conditional:ConditionalVae",
        "temporal_vae": "sepvae.models.temporal:TemporalVae",
        "conv_tasnet": "sepvae.models.conv_tasnet:ConvTasNet",
        "segment_conv": "sepvae.models.segment_conv:SegmentConv",
        "segment_lstm": "sepvae.models.segment_lstm:SegmentLstm",
        "fhvae": "sepvae.models.fhvae:Fhvae",
    },
)
