"""Networks that give the spectrum of one source: no loss, no files."""

from sepvae.models.contract import MODELS, Decoded, ModelConfig, Posterior, SourceModel, make_model, parse_model_config

__all__ = ["MODELS", "Decoded", "ModelConfig", "Posterior", "SourceModel", "make_model", "parse_model_config"]
