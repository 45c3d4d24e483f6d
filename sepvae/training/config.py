"""The configuration of a training run: which network, which objective, which front-end, and how to optimise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from pydantic import Field, model_validator

from sepvae.config import Config
from sepvae.devices import Precision
from sepvae.errors import ConfigError
from sepvae.estimator.checkpoint import Checkpoint, CheckpointConfig
from sepvae.estimator.config import EstimatorConfig
from sepvae.estimator.kinds import kind_of
from sepvae.frontend.features import NON_NEGATIVE
from sepvae.limits import MAX_BATCH_FRAMES, MAX_BATCH_SAMPLES, MAX_STEPS, LearningRate, Steps, Weight, check_size
from sepvae.models import MODELS
from sepvae.models.contract import REST
from sepvae.models.network import ConditionalNetwork
from sepvae.models.segment_network import SegmentNetwork
from sepvae.objectives import OBJECTIVES
from sepvae.objectives.contract import Objective, ObjectiveChoice
from sepvae.training.noises import NoiseRemixConfig
from sepvae.training.scenes import SceneConfig


class OptimiserConfig(Config):
    """How to train.

    `batch_size` counts segments of `segment_frames` frames over all processes together, so that one process and many
    make the same steps. Segments begin every `segment_hop_frames`, and lie back to back when that is None. `kind` is
    AdamW for all weights, or Muon for those that are matrices. `momentum` is Adam's β₁ (Muon keeps 0.95 for its
    matrices); games of a generator and a critic need little of it. `patience` counts epochs without a better validation
    loss, 0 for no early stopping. `precision` `auto` takes bfloat16 for matrix products where the machine has units for
    them, else float32.
    """

    kind: Literal["adamw", "muon"] = "adamw"
    epochs: Steps = 30
    batch_size: int = Field(128, ge=1, le=MAX_BATCH_FRAMES)
    segment_frames: int = Field(1, ge=1, le=MAX_BATCH_FRAMES)
    segment_hop_frames: int | None = Field(None, ge=1, le=MAX_BATCH_FRAMES)
    learning_rate: LearningRate = 1e-3
    schedule: Literal["constant", "one_cycle", "cosine"] = "one_cycle"
    weight_decay: Weight = 0.0
    momentum: float = Field(0.9, ge=0, lt=1)
    gradient_clip: Weight = 0.0
    patience: int = Field(0, ge=0, le=MAX_STEPS)
    max_bad_steps: int = Field(3, ge=0, le=MAX_STEPS)
    precision: Precision = "32-true"

    @model_validator(mode="after")
    def _fits_in_memory(self) -> OptimiserConfig:
        frames = self.batch_size * self.segment_frames
        check_size("frames of a batch (batch_size x segment_frames)", frames, MAX_BATCH_FRAMES, "lower one of them")
        return self

    @property
    def hop_frames(self) -> int:
        """Frames from the start of one segment to that of the next."""
        return self.segment_hop_frames or self.segment_frames


class RemixConfig(Config):
    """How batches of waves are made anew at every step from the sources of the training mixtures.

    `remix` draws each source from a mixture of its own (dynamic mixing; Zeghidour & Grangier 2021), a speaker first and
    then a mixture of theirs, and gives it the level of the same source in a third, so that levels are related as in the
    training mixtures; else segments are those of the mixtures. `speed` changes the rate, and with it pitch and
    formants, of each drawn source by up to that share (Ko et al. 2015), `gain_db` its level. `noise` says what noise is
    made of; `scene` lays pauses, rooms and the band of a recording over them. With `rest` there is one more output, for
    what the sources do not account for: noise, and what a room adds late. A pass over the data is `steps_per_epoch`
    batches.
    """

    segment_s: float = Field(3.0, gt=0, le=60)
    remix: bool = True
    speed: float = Field(0.1, ge=0, le=0.5)
    gain_db: float = Field(0.0, ge=0, le=40)
    noise: NoiseRemixConfig = NoiseRemixConfig()
    scene: SceneConfig = SceneConfig()
    rest: bool = False
    steps_per_epoch: Steps = 50

    @model_validator(mode="after")
    def _noise_is_made_anew(self) -> RemixConfig:
        if self.noise.changes and not self.remix:
            raise ConfigError("noise: is made anew where sources are: set remix = true, or leave waves.noise out")
        return self


class TrainingConfig(EstimatorConfig):
    """Everything that decides what a training run gives, its data and seed aside.

    `waves` is for objectives on waves, `optimiser.segment_frames` for those on features.
    """

    objective: ObjectiveChoice = ObjectiveChoice()
    optimiser: OptimiserConfig = OptimiserConfig()
    waves: RemixConfig = RemixConfig()

    @property
    def likelihood(self) -> str | None:
        """The likelihood that the objective compares spectra by, None when it has none."""
        return getattr(self.objective.config(), "likelihood", None)

    def estimator(self) -> EstimatorConfig:
        """Return what of this decides how estimates are made."""
        return EstimatorConfig.model_validate({name: getattr(self, name) for name in EstimatorConfig.model_fields})

    @model_validator(mode="after")
    def _objective_trains_model(self) -> TrainingConfig:
        """Refuse an objective that is for other kinds of networks."""
        model, objective, kind = self.model.kind, self.objective.kind, kind_of(self.model.kind)
        if not issubclass(self.objective.entry, Objective):
            raise ConfigError(f"objective {objective}: its class is none of an objective: derive it from Objective")
        trains = self.objective.entry.trains
        if kind not in trains:
            able = [name for name in OBJECTIVES if kind in OBJECTIVES.resolve(name).trains]
            others = [name for name in MODELS if kind_of(name) in trains]
            raise ConfigError(
                f"objective {objective} does not train model {model}: {model} learns by {' or '.join(able) or 'none'}, "
                f"{objective} trains {', '.join(others) or 'none'}: set both, as the presets do"
            )
        return self

    @model_validator(mode="after")
    def _waves_fit_in_memory(self) -> TrainingConfig:
        if self.objective.entry.domain == "waves":
            samples = self.optimiser.batch_size * self.waves.segment_s * self.frontend.sample_rate
            advice = "lower optimiser.batch_size or waves.segment_s"
            check_size("samples of a batch of waves", samples, MAX_BATCH_SAMPLES, advice)
        return self

    @model_validator(mode="after")
    def _codes_its_segments(self) -> TrainingConfig:
        """Refuse models of segments with other segments than theirs."""
        segments = issubclass(self.model.entry, SegmentNetwork)
        if segments and self.model.settings["segment_frames"] != self.optimiser.segment_frames:
            raise ConfigError(
                f"model {self.model.kind} codes segments of {self.model.settings['segment_frames']} frames, "
                f"optimiser.segment_frames is {self.optimiser.segment_frames}: set it to the same"
            )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> TrainingConfig:
        """Refuse combinations that would train without an error, and to no use."""
        target, likelihood = self.frontend.target.kind, self.likelihood
        segments = issubclass(self.model.entry, SegmentNetwork)
        if target in ("mel", "log_mel") and not segments:
            raise ConfigError(
                f"frontend.target.kind = {target}: a model of mel features cannot separate, they have lost the bins: "
                "give magnitude, power or log_power (mel features can be its input)"
            )
        if issubclass(self.model.entry, ConditionalNetwork) and self.frontend.normalisation != "rms":
            raise ConfigError(
                f"frontend.normalisation = {self.frontend.normalisation}: demixing gives a model of speech its sources "
                "by their root mean square: set it to rms"
            )
        if likelihood == "itakura_saito" and target != "power":
            raise ConfigError(
                f"likelihood itakura_saito compares powers, frontend.target.kind is {target}: set it to power"
            )
        if likelihood == "poisson" and target not in NON_NEGATIVE:
            raise ConfigError(
                f"likelihood poisson compares what has no sign, frontend.target.kind is {target}: set it to magnitude "
                "or power, or likelihood to gaussian"
            )
        if self.objective.entry.compares_inputs and (
            self.frontend.input != self.frontend.target or target not in ("magnitude", "power")
        ):
            raise ConfigError(
                f"objective {self.objective.kind} compares outputs with inputs, which add up, frontend.input.kind is "
                f"{self.frontend.input.kind}, frontend.target.kind {target}: set both to magnitude, or both to power"
            )
        if likelihood == "bernoulli":
            found = {
                "frontend.target.kind": target,
                "frontend.normalisation": self.frontend.normalisation,
                "model.settings.output": self.model.settings.get("output"),
            }
            wanted = {
                "frontend.target.kind": "magnitude",
                "frontend.normalisation": "peak",
                "model.settings.output": "sigmoid",
            }
            for key, value in wanted.items():
                if found[key] != value:
                    raise ConfigError(f"likelihood bernoulli needs {key} = {value}, found {found[key]}")
        return self


def fresh_checkpoint(config: TrainingConfig, sources: Sequence[str]) -> Checkpoint:
    """Return what a training run starts from: fresh weights from torch's global generator, so seed it around the call.

    Raises:
        ConfigError: a source is named twice or as a part of torch's modules, or the front-end is impossible.
    """
    alike = tuple(name for name in sources if name != REST) if config.objective.build().any_order else ()
    stored = CheckpointConfig(
        sources=tuple(sources), estimator=config.estimator(), likelihood=config.likelihood, alike=alike
    )
    return Checkpoint(stored, stored.build(), {"training": config.model_dump(mode="json")})
