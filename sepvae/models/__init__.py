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
        "chimera_acvae": "sepvae.models.chimera:ChimeraAcvae",
        "temporal_vae": "sepvae.models.temporal:TemporalVae",
        "mask_vae": "sepvae.models.mask_vae:MaskVae",
        "conv_tasnet": "sepvae.models.conv_tasnet:ConvTasNet",
        "segment_conv": "sepvae.models.segment_conv:SegmentConv",
        "segment_lstm": "sepvae.models.segment_lstm:SegmentLstm",
        "fhvae": "sepvae.models.fhvae:Fhvae",
    },
)
# What layers of dense networks end with, and what the last one does.
ACTIVATIONS = Table("activation", {"relu": "torch.nn:ReLU", "tanh": "torch.nn:Tanh", "silu": "torch.nn:SiLU"})
OUTPUTS = Table(
    "output",
    {
        "softplus": "torch.nn:Softplus",
        "sigmoid": "torch.nn:Sigmoid",
        "identity": "torch.nn:Identity",
        "exp": "sepvae.models.dense:Exp",
    },
)
