"""The latent augmentations: replacement, interpolation, perturbations, and the controls of experiments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sepvae import audio
from sepvae.audio import Wave
from sepvae.augmentation import SYNTHESES
from sepvae.augmentation.augmenter import Augmenter, Shift
from sepvae.augmentation.basis import BASIS_FACTS, NuisanceBasis
from sepvae.augmentation.contract import Augmentation, DrawContext, Target
from sepvae.augmentation.latents import Array, replacement
from sepvae.config import Config
from sepvae.corpora.damaged_files import shifted
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError, InputError
from sepvae.estimator.checkpoint import load_checkpoint, load_config
from sepvae.estimator.folder import find_model_folder
from sepvae.limits import Weight
from sepvae.seeds import generator
from sepvae.settings import ShareRange

# Seeds of shifts, which a replay needs, are drawn below this: they stay exact where a reader of JSON takes numbers for
# floats. A replay does without the seed of the record itself, which has 63 bits.
_SEED_LIMIT = 1 << 53
# Speakers that an error names.
_NAMED = 12
_OPPOSITE = {"female": "male", "male": "female"}


class LatentConfig(Config):
    """How latents become sound; see `Augmenter.move`."""

    synthesis: Annotated[str, SYNTHESES] = "filter"


class PerturbationConfig(LatentConfig):
    """Strength γ of a perturbation: at 1 as far as another utterance."""

    gamma: Weight = 1.0


class HardConfig(PerturbationConfig):
    """Strength γ, and how many principal directions are moved along."""

    directions: int = Field(8, ge=1, le=1 << 16)


class ReplaceConfig(LatentConfig):
    """Whose nuisance vector is taken.

    Targets are drawn from the utterances that the basis was fitted to, but never the source itself: of other speakers
    (`others`), or of all; of one `speaker`; of one `sex`, where `same` and `other` compare with the speaker of the
    source. `file` is a recording to take in place of them: a path in the corpus, or else any other.
    """

    among: Literal["others", "all"] = "others"
    speaker: str | None = None
    sex: Literal["female", "male", "same", "other"] | None = None
    file: Path | None = None


class InterpolateConfig(ReplaceConfig):
    """Targets as for replacement, and how much of the way there is gone: a share between two bounds."""

    share: ShareRange = (0.25, 0.75)


class ReconstructConfig(LatentConfig):
    """How unmoved latents become sound; a filter would give back the utterance itself."""

    synthesis: Annotated[str, SYNTHESES] = "griffin_lim"


class _Latent(Augmentation):
    """What all latent augmentations share: a model with its basis, and a shift that follows from the parameters."""

    Config: ClassVar[type[LatentConfig]] = LatentConfig
    needs_model: ClassVar[bool] = True
    config: LatentConfig

    def prepare(self) -> None:
        """Load the nuisance basis of the model; ConfigError when there is no model."""
        if self.model is None:
            raise ConfigError(f"augmentation {self.name} needs a model of speech segments: give --model DIR")
        self._stamp = _stamp(self.model)
        self.basis = _load_basis(*self._stamp)
        self.sample_rate = load_config(self.model).estimator.frontend.sample_rate

    @cached_property
    def augmenter(self) -> Augmenter:
        """The model; a process that only draws for others never loads it, unless it has to read `replace.file`."""
        return _load(*self._stamp, self.device)

    def shift(self, parameters: Mapping[str, Any]) -> Shift:
        """Return what the latents of a channel with a given vector are moved by; nothing here."""
        del parameters
        return lambda own: np.zeros_like(own)

    def draw(self, context: DrawContext) -> dict[str, Any]:
        """Return JSON parameters: everything that `apply` needs beside the samples."""
        del context
        return {"synthesis": self.config.synthesis}

    def apply(self, wave: Wave, sample_rate: int, parameters: Mapping[str, Any]) -> Wave:
        """Return samples (channels, time) with their latents moved: the same for the same arguments."""
        return self.augmenter.move(wave, sample_rate, self.shift(parameters), synthesis=parameters["synthesis"])

    def features(self, wave: Wave, sample_rate: int, parameters: Mapping[str, Any]) -> NDArray[np.float32]:
        """Return decoded features (frames, features) of one channel with its latents moved, at its level."""
        return self.augmenter.features(wave, sample_rate, self.shift(parameters), keep_level=True)

    def hop_samples(self) -> int:
        """Return the samples from one frame of the features to the next."""
        return self.augmenter.coder.frontend.stft.hop_samples

    def first_frame_centre(self) -> int:
        """Return the sample in the middle of the first frame of the features."""
        return self.augmenter.coder.frontend.stft.first_frame_centre


class Reconstruct(_Latent):
    """Decoding of the latents as they are: the control that tells the loss of the model from the gain of a method."""

    Config = ReconstructConfig
    name: ClassVar[str] = "reconstruct"
    identity: ClassVar[Mapping[str, Any] | None] = {"synthesis": "filter"}


class _Perturb(_Latent):
    """One random shift for an utterance, of the kind of its name; the parameters hold its seed."""

    Config: ClassVar[type[LatentConfig]] = PerturbationConfig
    identity: ClassVar[Mapping[str, Any] | None] = {"gamma": 0.0}
    config: PerturbationConfig

    def draw(self, context: DrawContext) -> dict[str, Any]:
        """Return strength, seed and synthesis."""
        seed = int(context.stream.integers(_SEED_LIMIT))
        return {"gamma": self.config.gamma, "seed": seed, **super().draw(context)}

    def shift(self, parameters: Mapping[str, Any]) -> Shift:
        """Return the shift of the parameters' seed, whatever the channel's own vector."""
        p = self.basis.perturbation(
            self.name,
            generator(parameters["seed"], "perturbation"),
            gamma=parameters["gamma"],
            n_directions=parameters.get("directions", 0),
        )
        return lambda _: p


class Soft(_Perturb):
    """Soft perturbation: along every principal direction as far as utterances differ there."""

    name: ClassVar[str] = "soft"


class Hard(_Perturb):
    """Hard perturbation: along the first principal directions alone."""

    Config = HardConfig
    name: ClassVar[str] = "hard"
    config: HardConfig

    def prepare(self) -> None:
        """Load the basis; ConfigError when it has fewer directions than are asked for."""
        super().prepare()
        if self.config.directions > (there := len(self.basis.std)):
            raise ConfigError(
                f"hard.directions {self.config.directions}: the nuisance basis has {there}: give as many or fewer"
            )

    def draw(self, context: DrawContext) -> dict[str, Any]:
        """Return strength, seed, synthesis and the number of directions."""
        return {**super().draw(context), "directions": self.config.directions}


class Uniform(_Perturb):
    """Control: as far as soft perturbation in the mean, along every direction alike."""

    name: ClassVar[str] = "uniform"


class Reversed(_Perturb):
    """Control: as far as soft perturbation in the mean, the least along the first direction."""

    name: ClassVar[str] = "reversed"


class Replace(_Latent):
    """Nuisance attribute replacement: z − μ of the source + μ of the target."""

    Config: ClassVar[type[LatentConfig]] = ReplaceConfig
    name: ClassVar[str] = "replace"
    config: ReplaceConfig

    def prepare(self) -> None:
        """Load the basis; ConfigError when it does not know the speaker."""
        super().prepare()
        utterances, config = self.basis.utterances, self.config
        self._ids = np.array([utterance.id for utterance in utterances])
        self._speakers = np.array([utterance.speaker for utterance in utterances])
        self._sexes = np.array([utterance.sex for utterance in utterances])
        self._target: Target | None = None
        if config.file is not None:
            if config.speaker is not None or config.sex is not None:
                raise ConfigError(f"augmentation {self.name}: file is the target, leave out speaker and sex")
            self._vector_of_file(str(config.file))
        elif config.speaker is not None and config.speaker not in self._speakers:
            known = sorted({*self._speakers})
            named = ", ".join(known[:_NAMED]) + (f" and {len(known) - _NAMED} more" if len(known) > _NAMED else "")
            raise ConfigError(
                f"{self.name}.speaker {config.speaker}: the nuisance basis knows {named}: choose one, or fit the "
                "basis to more corpora"
            )

    def draw(self, context: DrawContext) -> dict[str, Any]:
        """Return the target and the synthesis.

        Raises:
            InputError: no utterance of the basis may be the target, or the file is the source itself.
        """
        if self.config.file is not None:
            target, source = self._target or self._of_file(self.config.file, context.pool), "file"
            self._target = target
            if self.root / target.path == self.root / context.utterance.path:
                raise InputError(f"{context.utterance.id}: is {self.name}.file itself, which would change nothing")
        else:
            found = self._candidates(context)
            utterances = self.basis.utterances
            target, source = utterances[int(found[context.stream.integers(len(found))])], "basis"
        return {"target": target._asdict(), "target_from": source, **super().draw(context)}

    def _candidates(self, context: DrawContext) -> NDArray[np.intp]:
        """Return the numbers of the utterances of the basis that may be the target."""
        config, own = self.config, context.utterance
        # With its own vector as target an utterance would come out as it was.
        allowed = self._ids != own.id
        if config.among == "others":
            if config.speaker == own.speaker:
                raise InputError(
                    f"{own.id}: {self.name}.speaker {config.speaker} is its own speaker: set {self.name}.among=all to "
                    "take other utterances of that speaker, or leave it out of the corpus"
                )
            allowed &= self._speakers != own.speaker
        if config.speaker is not None:
            allowed &= self._speakers == config.speaker
        if config.sex is not None:
            allowed &= self._sexes == self._sex_of_target(config.sex, own)
        found = np.flatnonzero(allowed)
        if not len(found):
            wanted = ", ".join(f"{key}={value}" for key, value in config.model_dump(exclude_none=True).items())
            raise InputError(
                f"{own.id}: none of the {len(allowed)} utterances of the nuisance basis can be the target ({wanted}): "
                "ask for less, or fit the basis to more corpora"
            )
        return found

    def _sex_of_target(self, wanted: str, own: Utterance) -> str:
        """Return the sex of the target; InputError where it follows from that of the source, which is unknown."""
        if wanted not in ("same", "other"):
            return wanted
        if own.sex not in _OPPOSITE:
            raise InputError(
                f"{own.id}: its sex is unknown, {self.name}.sex={wanted} compares with it: choose female or male, or "
                "give the corpus a table of speakers"
            )
        return own.sex if wanted == "same" else _OPPOSITE[own.sex]

    def _of_file(self, file: Path, pool: Sequence[Utterance]) -> Target:
        """Return what is known of a file: all, where it is one of the corpus."""
        for one in pool:
            if one.path == file.as_posix():
                return Target(one.id, one.path, one.speaker, one.sex)
        return Target(file.stem, str(file), "unknown", "unknown")

    def _vector_of_file(self, path: str) -> Array:
        return _read_vector(self.augmenter, self.root / path)

    def shift(self, parameters: Mapping[str, Any]) -> Shift:
        """Return the way from a channel's vector to that of the target."""
        target = parameters["target"]
        from_file = parameters["target_from"] == "file"
        vector = self._vector_of_file(target["path"]) if from_file else self.basis.vector_of(target["id"])
        share = parameters.get("share", 1.0)
        return lambda own: replacement(own, vector, share=share)


class Interpolate(Replace):
    """Part of the way to the nuisance of another utterance."""

    Config = InterpolateConfig
    name: ClassVar[str] = "interpolate"
    identity: ClassVar[Mapping[str, Any] | None] = {"share": 0.0}
    config: InterpolateConfig

    def draw(self, context: DrawContext) -> dict[str, Any]:
        """Return the target, the share of the way and the synthesis; errors as of replacement."""
        found = super().draw(context)
        return {**found, "share": float(context.stream.uniform(*self.config.share))}


def _stamp(model: Path) -> tuple[Path, int]:
    """Return a model folder with a number that changes when another basis is stored there."""
    facts = find_model_folder(model) / BASIS_FACTS
    return model, facts.stat().st_mtime_ns if facts.is_file() else 0


@lru_cache(maxsize=2)
def _load_basis(model: Path, _stamp: int) -> NuisanceBasis:
    """Load a basis once for all methods of a process."""
    return NuisanceBasis.load(model)


@lru_cache(maxsize=2)
def _load(model: Path, _stamp: int, device: str) -> Augmenter:
    """Load a model once for all methods of a process."""
    return Augmenter(load_checkpoint(model), _load_basis(model, _stamp), device=device)


@lru_cache(maxsize=16)
def _read_vector(augmenter: Augmenter, path: Path) -> Array:
    wave, rate = audio.read(path)
    try:
        if shifted(path, wave):
            raise InputError("is noise from where a byte was lost on: see 'sepvae corpus validate'")
        return augmenter.vector(wave, rate)
    except InputError as error:
        raise InputError(f"target {path} {error}") from error
