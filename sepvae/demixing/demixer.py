"""Demixer: recordings of several microphones to the talkers, in one call."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sepvae.demixing.algorithm import AlgorithmChoice, BlindConfig
from sepvae.demixing.channels import check_channels, check_found, check_frames, check_plugged_in
from sepvae.demixing.contract import SpeechModel
from sepvae.demixing.pauses import speaking
from sepvae.errors import CheckpointError, ConfigError, InputError
from sepvae.estimator.checkpoint import load_checkpoint
from sepvae.estimator.speech_models import ConditionalEstimator
from sepvae.frontend.old_levels import doubts
from sepvae.frontend.rumble import rumble
from sepvae.frontend.stft import Stft

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True)
class Talkers:
    """The talkers of a recording.

    `waves` by name, each (time,) float32, as the reference microphone hears them; `likely` who each sounds like most,
    with a probability, empty without a model; `objective` of the start and after each of `n_iterations`, without the
    start where GMVAE has more talkers than microphones; `demixing` matrices (bins, sources, channels) in terms of the
    microphones, None where there are none.
    """

    waves: dict[str, NDArray[np.float32]]
    likely: dict[str, tuple[str, float]]
    objective: NDArray[np.float64]
    n_iterations: int
    demixing: NDArray[np.complex128] | None


def check_talkers(speakers: Sequence[str], n_sources: int | None) -> None:
    """Raise ConfigError when there are fewer than two talkers, or another number of them than speakers."""
    if speakers and n_sources not in (None, len(speakers)):
        raise ConfigError(f"n_sources = {n_sources}: {len(speakers)} speakers are named: leave one of both out")
    if (n_sources is None and len(speakers) == 1) or (n_sources is not None and n_sources < 2):
        raise ConfigError(
            f"talkers = {1 if n_sources is None else n_sources}: microphones tell two talkers or more apart: name all "
            "who are to be heard, and noise as one of them"
        )


def check_speakers(choice: AlgorithmChoice, speakers: Sequence[str], *, known: Sequence[str]) -> None:
    """Raise ConfigError when speakers are named who are not all `known` to the model, or one twice."""
    if speakers and not choice.entry.needs_model:
        raise ConfigError(f"speakers: algorithm {choice.kind} knows no voices: leave them out")
    if unknown := [name for name in speakers if name not in known]:
        raise ConfigError(f"speakers: the model was not trained on {', '.join(unknown)}, but on {', '.join(known)}")
    if len(set(speakers)) < len(speakers):
        raise ConfigError(f"speakers: {', '.join(speakers)}: each of them talks once")


class Demixer:
    """Separates recordings of several microphones by one algorithm.

    Args:
        algorithm: a name of `ALGORITHMS`, or with settings `AlgorithmChoice.of("mvae", {"steps": 7})`.
        sample_rate: Hz; of the model, when the algorithm needs one.
        model: of speech; algorithms that need none do not look at it.
        device: where to compute, and where the model is.

    Raises:
        ConfigError: an unknown algorithm, or one that needs a model and has none, or one of another rate.

    Example:
        >>> demixer = Demixer("auxiva", sample_rate=16000)
        >>> noise = np.random.default_rng(0).laplace(size=(2, 32000)).astype(np.float32)
        >>> sorted(demixer.separate(noise, 16000, n_sources=2).waves)
        ['talker_1', 'talker_2']
    """

    def __init__(
        self,
        algorithm: AlgorithmChoice | str,
        *,
        sample_rate: int,
        model: ConditionalEstimator | None = None,
        device: str | torch.device = "cpu",
    ) -> None:
        self.choice = choice = AlgorithmChoice.of(algorithm) if isinstance(algorithm, str) else algorithm
        self.sample_rate, self.device = sample_rate, torch.device(device)
        self.model = model if choice.entry.needs_model else None
        self._algorithm = choice.build(None if self.model is None else SpeechModel.of(self.model))
        if self.model is None:
            self.stft = Stft(cast("BlindConfig", choice.config()).stft, sample_rate=sample_rate)
            return
        self.stft = self.model.frontend.stft
        if self.stft.sample_rate != sample_rate:
            raise ConfigError(f"sample_rate = {sample_rate}: the model is for {self.stft.sample_rate} Hz, give that")

    @classmethod
    def load(
        cls, folder: str | Path, algorithm: AlgorithmChoice | str, *, device: str | torch.device = "cpu"
    ) -> Demixer:
        """Load the model of a folder.

        Raises:
            CheckpointError: it is no model folder, or not of a conditional VAE.
            ConfigError: an unknown algorithm.
        """
        estimator = load_checkpoint(folder, device=device).estimator
        if not isinstance(estimator, ConditionalEstimator):
            raise CheckpointError(
                f"{folder}: is a {estimator.config.model.kind}, and multichannel algorithms need a conditional_vae: "
                "train one with the preset conditional_vae"
            )
        return cls(algorithm, sample_rate=estimator.frontend.config.sample_rate, model=estimator, device=device)

    @property
    def speakers(self) -> tuple[str, ...]:
        """Who the model was trained on."""
        return () if self.model is None else self.model.speakers

    def _classes(self, speakers: Sequence[str]) -> Tensor | None:
        """Return the classes of speakers (1, sources, classes), None when nobody is known."""
        check_speakers(self.choice, speakers, known=self.speakers)
        if not speakers:
            return None
        places = torch.tensor([self.speakers.index(name) for name in speakers])
        return torch.nn.functional.one_hot(places, len(self.speakers)).float()[None].to(self.device)

    def names(self, n_channels: int, *, n_sources: int | None = None, speakers: Sequence[str] = ()) -> tuple[str, ...]:
        """Return what the talkers of a recording are called: the speakers who are named, or `talker_1`, `talker_2` ….

        Raises:
            ConfigError: fewer than two talkers, or another number of them than speakers.
        """
        check_talkers(speakers, n_sources)
        wanted = n_channels if n_sources is None else n_sources
        return tuple(speakers) or tuple(f"talker_{place + 1}" for place in range(wanted))

    def separate(
        self,
        wave: NDArray[np.floating] | Tensor,
        sample_rate: int,
        *,
        n_sources: int | None = None,
        speakers: Sequence[str] = (),
        reference: int = 0,
        channels: Sequence[int] = (),
        name: str = "the recording",
    ) -> Talkers:
        """Separate the talkers of a recording.

        Args:
            wave: (channels, time) floating point in [-1, 1].
            sample_rate: Hz; must be that of the model.
            n_sources: talkers; as many as speakers, or else as channels, when None.
            speakers: who of the model's speakers talk, when it is known: the outputs have their names and order.
            reference: microphone whose images are returned.
            channels: their numbers in messages, where they were chosen from more; counted from 0 when empty.
            name: what a warning calls the recording.

        Raises:
            InputError: another rate, channels that cannot be demixed, or a talker who would be silent; the message
                says which.
            ConfigError: speakers that the model does not know, or a microphone that is not there.
        """
        samples = _checked(wave)
        if sample_rate != self.sample_rate:
            raise InputError(
                f"the recording is sampled at {sample_rate} Hz, the model at {self.sample_rate} Hz: resample it first "
                "with sepvae.audio.resample"
            )
        if not 0 <= reference < len(samples):
            raise ConfigError(f"reference = {reference}: the recording has {len(samples)} channels, counted from 0")
        talkers = self.names(len(samples), n_sources=n_sources, speakers=speakers)
        classes, wanted = self._classes(speakers), len(talkers)
        check_channels(
            samples,
            sample_rate=self.sample_rate,
            n_sources=wanted,
            underdetermined=self.choice.entry.underdetermined,
            numbers=channels,
        )
        heard = self._heard(samples, name)
        if heard is not samples:
            # Where all hear the mains, what hears nothing else is told by what is left.
            check_plugged_in(heard, sample_rate=self.sample_rate, numbers=channels)
        samples, heard = samples.to(self.device), heard.to(self.device)
        # (1, bins, channels, frames)
        spectrum = self.stft.analyse(heard).permute(2, 0, 1)[None]
        talk = speaking(spectrum[0], hop_ms=self.stft.config.hop_ms, past=self._algorithm.past_frames)
        check_frames(int(talk.sum()), len(samples), n_pauses=int((~talk).sum()))
        found = self._algorithm.separate(
            spectrum[..., talk], n_sources=wanted, sample_rate=self.sample_rate, speakers=classes, reference=reference
        )
        # Of pauses, all have the same share: the talkers add up to the recording.
        images = spectrum[0, :, reference, None].repeat(1, wanted, 1) / wanted
        images[..., talk] = found.images[0]
        waves = self.stft.synthesise(images.permute(1, 2, 0), n_samples=samples.shape[1])
        check_found(dict(zip(talkers, waves, strict=True)), heard)
        # The talkers add up to the recording, and nobody knows whose its rumble is.
        waves = waves + (samples - heard)[reference] / wanted
        likely = dict[str, tuple[str, float]]()
        if found.log_classes is not None:
            for name, logs in zip(talkers, found.log_classes[0].softmax(-1), strict=True):
                likely[name] = self.speakers[int(logs.argmax())], float(logs.max())
        return Talkers(
            dict(zip(talkers, waves.cpu().numpy().astype(np.float32), strict=True)),
            likely,
            found.objective[:, 0].cpu().double().numpy(),
            found.n_iterations,
            None if found.demixing is None else found.demixing[0].cpu().numpy(),
        )

    def _heard(self, samples: Tensor, name: str) -> Tensor:
        """Return what is demixed of a recording (channels, time); a warning where an older model does not suit it."""
        if self.model is None:
            return samples - rumble(samples, sample_rate=self.sample_rate)
        if told := doubts(samples, self.model.frontend):
            _LOGGER.warning("%s: %s", name, told)
        return self.model.frontend.heard(samples)


def _checked(wave: NDArray[np.floating] | Tensor) -> Tensor:
    """Return a recording as doubles (channels, time); InputError when it is of another shape, or not finite."""
    samples = torch.as_tensor(np.asarray(wave, np.float64) if not isinstance(wave, Tensor) else wave.double())
    if samples.dim() != 2:
        raise InputError(f"a recording of shape {tuple(samples.shape)}: give (channels, time)")
    if len(samples) > samples.shape[1] > 0:
        # Comparing each of so many channels with each other one would take hours.
        raise InputError(
            f"a recording of {len(samples)} channels and {samples.shape[1]} samples is too short: give (channels, "
            "time), soundfile reads (time, channels)"
        )
    if not torch.isfinite(samples).all():
        raise InputError("the recording holds NaN or infinite samples: repair it first")
    return samples
