"""The configuration of a training run: which network, which objective, which front-end, and how to optimise."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, field_validator

from sepvae.config import Config
from sepvae.frontend.frontend import FrontendConfig
from sepvae.models.contract import ModelConfig, parse_model_config
from sepvae.objectives.contract import parse_objective_config


class Choice(Config):
    """An entry of a closed table with its settings: `{kind: dense_vae, settings: {latent: 64}}`."""

    kind: str
    settings: dict[str, Any] = Field(default_factory=dict, validate_default=True)


class ModelChoice(Choice):
    """A network of `sepvae.models.MODELS` and its settings."""

    kind: str = "dense_vae"

    @field_validator("settings")
    @classmethod
    def _resolved(cls, settings: dict[str, Any], info: Any) -> dict[str, Any]:
        """Check the settings against the network's own config and fill in its defaults."""
        return parse_model_config(info.data.get("kind", "dense_vae"), settings).model_dump(mode="json")

    def config(self) -> ModelConfig:
        """Return the network's own typed config."""
        return parse_model_config(self.kind, self.settings)


class ObjectiveChoice(Choice):
    """An objective of `sepvae.objectives.OBJECTIVES` and its settings."""

    kind: str = "elbo"

    @field_validator("settings")
    @classmethod
    def _resolved(cls, settings: dict[str, Any], info: Any) -> dict[str, Any]:
        """Check the settings against the objective's own config and fill in its defaults."""
        return parse_objective_config(info.data.get("kind", "elbo"), settings).model_dump(mode="json")

    def config(self) -> Config:
        """Return the objective's own typed config."""
        return parse_objective_config(self.kind, self.settings)


class OptimiserConfig(Config):
    """How to train.

    `batch_size` counts segments of `segment_frames` frames over all processes together, so that one process and many
    make the same steps. `patience` counts epochs without a better validation loss, 0 for no early stopping.
    """

    epochs: int = Field(30, ge=1)
    batch_size: int = Field(128, ge=1)
    segment_frames: int = Field(1, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    schedule: Literal["constant", "one_cycle"] = "one_cycle"
    weight_decay: float = Field(0.0, ge=0)
    gradient_clip: float = Field(0.0, ge=0)
    patience: int = Field(0, ge=0)
    max_bad_steps: int = Field(3, ge=0)
    precision: Literal["32-true", "bf16-mixed"] = "32-true"


class TrainingConfig(Config):
    """Everything that decides what a training run gives, its data and seed aside."""

    frontend: FrontendConfig = FrontendConfig()
    model: ModelChoice = ModelChoice()
    objective: ObjectiveChoice = ObjectiveChoice()
    optimiser: OptimiserConfig = OptimiserConfig()
    mask: Literal["ratio", "wiener"] = "ratio"
