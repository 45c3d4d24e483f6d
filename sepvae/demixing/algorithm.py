"""The base of all algorithms: settings, and the way from spectra to images by as many channels as talkers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, cast

import torch
from pydantic import BaseModel, Field, model_validator
from torch import Tensor

from sepvae.config import Config
from sepvae.demixing import ALGORITHMS
from sepvae.demixing.channels import reduce_channels
from sepvae.demixing.contract import Separated, SourceVariances, SpeechModel, algorithms
from sepvae.demixing.covariance import with_past
from sepvae.demixing.loop import Demixed, demix, identity
from sepvae.demixing.projection_back import mixing_matrices, project_back_with_past
from sepvae.demixing.spatial import fit_spatial, from_demixing
from sepvae.demixing.updates import UpdateName, updates_with_past
from sepvae.errors import ConfigError
from sepvae.frontend.stft import StftConfig
from sepvae.limits import Tolerance
from sepvae.settings import Choice
from sepvae.tables import Table


class WpeConfig(Config):
    """Prediction of the late reverberation of each source from `n_taps` frames, the first `delay` frames ago."""

    delay: int = Field(2, ge=1, le=100)
    n_taps: int = Field(3, ge=1, le=100)


class PostfilterConfig(Config):
    """A multichannel Wiener filter behind the demixing: full-rank spatial covariances, variances of the source model.

    They start as what the demixing says, with a share `full_rank` of the power of a source arriving from everywhere.
    """

    iterations: int = Field(8, ge=0, le=10_000)
    full_rank: float = Field(0.1, gt=0, lt=1)


class DemixingConfig(Config):
    """What every determined algorithm is told.

    It makes `iterations`, and fewer when one changes the objective per bin and frame by less than `tolerance`, with
    this `update` of the matrices. `wpe` predicts late reverberation on the way, `postfilter` is laid behind it.
    """

    update: UpdateName = "ip"
    iterations: int = Field(60, ge=1, le=10_000)
    tolerance: Tolerance = 1e-4
    wpe: WpeConfig | None = None
    postfilter: PostfilterConfig | None = None

    @model_validator(mode="after")
    def _update_takes_past(self) -> DemixingConfig:
        if self.wpe is not None and self.update not in (able := updates_with_past()):
            raise ConfigError(f"wpe: goes with the update {' or '.join(able)}: choose that, or leave wpe out")
        return self


class BlindConfig(DemixingConfig):
    """What an algorithm without a model of speech is told: also its own STFT, whose windows are long, for rooms."""

    stft: StftConfig = StftConfig(window_ms=256, hop_ms=64)


class DemixingAlgorithm(ABC):
    """From spectra of several microphones to the images of the talkers at one of them.

    `variances` says what the sources are like; nearly all algorithms differ in nothing else. They are built from their
    config, and from a model of speech when it `needs_model`; when not, the config has `stft`. `underdetermined` says
    that fewer microphones than talkers are allowed, `monotone` that no iteration raises the objective. The help says
    the first line of the docstring.
    """

    Config: ClassVar[type[Config]]
    label: ClassVar[str]
    needs_model: ClassVar[bool] = False
    underdetermined: ClassVar[bool] = False
    monotone: ClassVar[bool] = True
    config: Any

    def __init__(self, config: BaseModel) -> None:
        self.config = config

    @property
    def past_frames(self) -> int:
        """How many frames before a frame it looks at as well."""
        wpe: WpeConfig | None = getattr(self.config, "wpe", None)
        return 0 if wpe is None else wpe.delay + wpe.n_taps - 1

    @abstractmethod
    def variances(self, n_batch: int, speakers: Tensor | None) -> SourceVariances:
        """Return a fresh source model of a batch, of speakers (batch, sources, classes) when they are known."""

    def start(self, reduced: Tensor, row: Tensor, speakers: Tensor | None) -> Tensor:  # noqa: ARG002
        """Return demixing matrices to start from (batch, bins, sources, channels).

        Args:
            reduced: spectrum of as many channels as sources (batch, bins, channels, frames).
            row: takes the reference microphone out of the channels (batch, bins, channels).
            speakers: who speaks, in the order wanted, when it is known (batch, sources, classes).
        """
        return identity(reduced, n_sources=reduced.shape[2])

    def separate(
        self,
        spectrum: Tensor,
        *,
        n_sources: int,
        sample_rate: int,  # noqa: ARG002
        speakers: Tensor | None = None,
        reference: int = 0,
    ) -> Separated:
        """Separate recordings of several microphones.

        Args:
            spectrum: x, (batch, bins, channels, frames) complex, bins from 0 to half the sample rate.
            n_sources: talkers; of more channels the principal components are taken.
            sample_rate: Hz.
            speakers: who speaks, in the order wanted, when it is known: probabilities (batch, sources, classes).
            reference: microphone whose images are returned.

        Raises:
            ConfigError: it needs as many channels as sources.
        """
        if (n_channels := spectrum.shape[2]) < n_sources:
            able = algorithms(underdetermined=True)
            raise ConfigError(f"{n_channels} channels cannot be demixed into {n_sources} sources: choose {able}")
        config: DemixingConfig = self.config
        reduced, basis = reduce_channels(spectrum, n_sources)
        row, sources = basis[:, :, reference], self.variances(len(spectrum), speakers)
        delay, n_taps = (1, 0) if config.wpe is None else (config.wpe.delay, config.wpe.n_taps)
        demixed = demix(
            with_past(reduced, delay=delay, n_taps=n_taps),
            sources,
            n_iterations=config.iterations,
            demixing=torch.nn.functional.pad(self.start(reduced, row, speakers), (0, n_taps * n_sources)),
            update=config.update,
            tolerance=config.tolerance,
        )
        return Separated(
            _images(demixed, sources, reduced, row, config),
            demixed.objective,
            len(demixed.objective) - 1,
            demixed.demixing[..., :n_sources] @ basis.mH,
            getattr(sources, "log_classes", None),
        )


def _images(demixed: Demixed, sources: SourceVariances, reduced: Tensor, row: Tensor, config: DemixingConfig) -> Tensor:
    """Return the images (batch, bins, sources, frames) at a microphone, a `row` (batch, bins, channels)."""
    demixing = demixed.demixing[..., : reduced.shape[2]]
    if config.postfilter is not None:
        return fit_spatial(
            reduced,
            sources,
            covariances=from_demixing(demixing, full_rank=config.postfilter.full_rank),
            variances=demixed.variances.expand(*demixed.variances.shape[:2], *reduced.shape[1::2]),
            n_iterations=config.postfilter.iterations,
            microphone=row,
            fit_sources=False,
        ).images
    if config.wpe is not None:
        observed = (row[:, :, None] @ reduced)[:, :, 0]
        return project_back_with_past(observed, demixed.separated, n_taps=config.wpe.n_taps)
    return (row[:, :, None] @ mixing_matrices(demixing))[:, :, 0, :, None] * demixed.separated


class AlgorithmChoice(Choice):
    """An algorithm of `ALGORITHMS` and its settings."""

    table: ClassVar[Table] = ALGORITHMS

    def check_model(self, *, given: bool) -> None:
        """Raise ConfigError when the algorithm needs a model of speech and none is given."""
        if self.entry.needs_model and not given:
            raise ConfigError(
                f"algorithm {self.kind}: needs a model of speech: give one with -m, trained with the preset "
                f"conditional_vae, or choose one that needs none: {algorithms(needs_model=False)}"
            )

    def build(self, model: SpeechModel | None = None) -> DemixingAlgorithm:
        """Return the algorithm; ConfigError when it needs a model of speech and has none."""
        self.check_model(given=model is not None)
        arguments = (self.config(), model) if self.entry.needs_model else (self.config(),)
        return cast("DemixingAlgorithm", self.entry(*arguments))
