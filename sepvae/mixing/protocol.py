"""How mixtures are drawn from a corpus; the defaults are the survey's protocol (Singh & Ogunfunmi 2022, §8)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field, field_validator

from sepvae import audio
from sepvae.config import Config
from sepvae.corpora.damage import examine
from sepvae.corpora.records import Utterance
from sepvae.errors import ConfigError, InputError
from sepvae.mixing.manifest import Header, Manifest, Mixture, Source
from sepvae.mixing.mixture import Wave, load_source
from sepvae.mixing.pools import make_pools, sentence
from sepvae.progress import progress
from sepvae.seeds import derive_seed, generator

_LOGGER = logging.getLogger(__name__)

Range = tuple[float, float]

# A stretch this quiet (−80 dBFS) has no level to normalise.
_SILENCE_RMS = 1e-4
_PEAK = 0.99
# How often a deal that came to nothing is tried again with other cards.
_ATTEMPTS = 200
_NOISE_ENDINGS = (".wav", ".flac", ".ogg")


class MixingConfig(Config):
    """What to mix, and how.

    `sources` names the class of each source: `female`, `male`, `any`, or a speaker's id; repeated classes are numbered
    (`any_1`, `any_2`). `n_valid` is an upper bound, and small: what is validated on cannot be learnt from. `length` is
    `min`, all sources speak all the time, or `max`, shorter ones are padded. `snr_db` is the range of the level of the
    first source over each other one, `noise_snr_db` of all speech over the noise. `skip_damaged` leaves out files that
    a lost byte has turned into noise (`sepvae corpus validate` names them); it reads every file once.
    """

    split: Literal["speaker_seen", "speaker_open"] = "speaker_seen"
    sources: tuple[str, ...] = Field(("female", "male"), min_length=1)
    n_train: int = Field(80, ge=0)
    n_valid: int = Field(3, ge=0)
    n_test: int = Field(10, ge=0)
    sample_rate: int = Field(16000, ge=1000, le=384000)
    duration_s: Range = (2.0, 4.0)
    length: Literal["min", "max"] = "min"
    snr_db: Range = (0.0, 0.0)
    skip_damaged: bool = True
    level_rms: float = Field(0.05, gt=0, lt=1)
    noise_folder: str | None = None
    noise_snr_db: Range = (0.0, 20.0)

    @field_validator("duration_s", "snr_db", "noise_snr_db")
    @classmethod
    def _ordered(cls, value: Range) -> Range:
        if value[0] > value[1]:
            raise ConfigError(f"the range {value[0]:g} to {value[1]:g} is upside down: give the smaller number first")
        return value

    @field_validator("duration_s")
    @classmethod
    def _positive(cls, value: Range) -> Range:
        if value[0] <= 0:
            raise ConfigError("durations must be positive")
        return value


class _Deck:
    """Utterances in shuffled order, dealt so that all come up before one comes again."""

    def __init__(self, cards: Sequence[Utterance], *names: Any, seed: int) -> None:
        self._cards, self._seed, self._names = list(cards), seed, names
        self._round, self._left = 0, list[Utterance]()

    def _reshuffle(self) -> None:
        order = generator(self._seed, "deck", *self._names, self._round).permutation(len(self._cards))
        self._left += [self._cards[index] for index in order]
        self._round += 1

    def deal(self, accept: Callable[[Utterance], bool]) -> Utterance | None:
        """Return the next utterance that is accepted; None when none is."""
        for _ in range(2):
            for position, card in enumerate(self._left):
                if accept(card):
                    return self._left.pop(position)
            self._reshuffle()
        return None

    def give_back(self, card: Utterance) -> None:
        """Put a card that was dealt in vain under the others."""
        self._left.append(card)


def source_labels(classes: Sequence[str]) -> list[str]:
    """Return the name of each source: its class, numbered where classes repeat.

    Example:
        >>> source_labels(["female", "any", "any"])
        ['female', 'any_1', 'any_2']
    """
    seen: dict[str, int] = {}
    for name in classes:
        seen[name] = seen.get(name, 0) + 1
    count: dict[str, int] = {}
    names = []
    for name in classes:
        count[name] = count.get(name, 0) + 1
        names.append(f"{name}_{count[name]}" if seen[name] > 1 else name)
    return names


class _Mixer:
    """Draws the mixtures of one split, each from its own stream of random numbers."""

    def __init__(self, config: MixingConfig, root: Path, seed: int, noises: Sequence[Path]) -> None:
        self.config, self.root, self.seed, self.noises = config, root, seed, noises
        self.names = source_labels(config.sources)

    def draw(self, split: str, count: int, pool: dict[str, list[Utterance]], bar: Any) -> list[Mixture]:
        """Return `count` mixtures of different combinations of utterances; fewer mixtures are the first of more."""
        decks = {label: _Deck(cards, split, label, seed=self.seed) for label, cards in pool.items()}
        used: set[tuple[str, ...]] = set()
        mixtures = []
        for index in range(count):
            dealt = next(filter(None, (self._deal(decks, used) for _ in range(_ATTEMPTS))), None)
            if dealt is None and split == "valid":
                break
            if dealt is None:
                raise InputError(
                    f"only {index} different {split} mixtures of {' + '.join(self.config.sources)} can be made from "
                    f"the sentences this split may use: ask for at most {index} (mixing.n_{split}), or add recordings"
                )
            used.add(tuple(card.id for card in dealt))
            mixtures.append(self._mixture(split, index, dealt))
            bar.advance(1)
        return mixtures

    def _deal(self, decks: dict[str, _Deck], used: set[tuple[str, ...]]) -> list[Utterance] | None:
        """Take one utterance for each source: different speakers, different sentences, not all together before."""
        dealt: list[Utterance] = []

        def accept(card: Utterance) -> bool:
            if any(card.speaker == other.speaker or sentence(card) == sentence(other) for other in dealt):
                return False
            return (*(other.id for other in dealt), card.id) not in used

        for label in self.config.sources:
            card = decks[label].deal(accept)
            if card is None:
                for other, its_label in zip(dealt, self.config.sources, strict=False):
                    decks[its_label].give_back(other)
                return None
            dealt.append(card)
        return dealt

    def _mixture(self, split: str, index: int, utterances: Sequence[Utterance]) -> Mixture:
        config, random = self.config, generator(self.seed, "mixture", split, index)
        files = [load_source(self.root / u.path, config.sample_rate) for u in utterances]
        longest = round(config.duration_s[1] * config.sample_rate)
        lengths = [min(len(wave), longest) for wave, _ in files]
        n_samples = min(lengths) if config.length == "min" else max(lengths)
        sources, waves = [], []
        snr_db = random.uniform(*config.snr_db, size=len(files))
        for number, (utterance, (wave, digest)) in enumerate(zip(utterances, files, strict=True)):
            count = min(len(wave), n_samples)
            start = int(random.integers(len(wave) - count + 1))
            offset = int(random.integers(n_samples - count + 1))
            part = wave[start : start + count]
            level = config.level_rms * 10 ** (-(snr_db[number] if number else 0.0) / 20)
            gain = level / _rms(part, self.root / utterance.path)
            facts = {"speaker": utterance.speaker, "sex": utterance.sex, "text": utterance.text, "sha256": digest}
            place = {"start": start, "n_samples": count, "offset": offset, "gain": gain}
            sources.append(
                Source(name=self.names[number], utterance=utterance.id, path=utterance.path, **facts, **place)
            )
            placed = np.zeros(n_samples, np.float32)
            placed[offset : offset + count] = np.float32(gain) * part
            waves.append(placed)
        noise = self._noise(random, np.sum(waves, axis=0)) if self.noises else None
        if noise is not None:
            waves.append(noise[1])
        # One common gain for all, so that nothing clips and the ratios stay.
        peak = max(float(np.abs(wave).max()) for wave in (*waves, np.sum(waves, axis=0)))
        common = min(1.0, _PEAK / peak)
        return Mixture(
            id=f"{split}-{index:05}",
            split=split,
            sample_rate=config.sample_rate,
            n_samples=n_samples,
            sources=tuple(s.model_copy(update={"gain": s.gain * common}) for s in sources),
            noise=None if noise is None else noise[0].model_copy(update={"gain": noise[0].gain * common}),
            seed=derive_seed(self.seed, "mixture", split, index),
        )

    def _noise(self, random: np.random.Generator, speech: Wave) -> tuple[Source, Wave]:
        path = self.noises[int(random.integers(len(self.noises)))]
        wave, digest = load_source(path, self.config.sample_rate)
        start = int(random.integers(max(len(wave) - len(speech), 0) + 1))
        part = np.resize(wave, start + len(speech))[start:] if len(wave) else wave
        snr_db = random.uniform(*self.config.noise_snr_db)
        gain = _rms(speech, path) / _rms(part, path) * 10 ** (-snr_db / 20)
        folder = Path(str(self.config.noise_folder))
        source = Source(
            name="noise",
            utterance=path.stem,
            path=path.relative_to(folder).as_posix(),
            folder=str(folder.resolve()),
            speaker="",
            sex="unknown",
            sha256=digest,
            start=start,
            n_samples=len(speech),
            offset=0,
            gain=gain,
        )
        return source, np.float32(gain) * part


def _rms(wave: Wave, path: Path) -> float:
    rms = float(np.sqrt(np.mean(np.square(wave, dtype=np.float64)))) if wave.size else 0.0
    if rms < _SILENCE_RMS:
        raise InputError(f"{path}: the stretch to be mixed is silent: leave the file out ('sepvae corpus validate')")
    return rms


def _list_noises(config: MixingConfig) -> list[Path]:
    if config.noise_folder is None:
        return []
    found = sorted(p for p in Path(config.noise_folder).rglob("*") if p.suffix.lower() in _NOISE_ENDINGS)
    if not found:
        raise InputError(
            f"{config.noise_folder}: no noise found there: give a folder with {', '.join(_NOISE_ENDINGS)} files"
        )
    for path in found:
        audio.inspect(path)
    return found


def _list_damaged(utterances: Sequence[Utterance], root: Path) -> set[str]:
    """Return the ids of utterances whose samples are shifted by a byte."""
    damaged = set()
    with progress("check", len(utterances), unit="files") as bar:
        for utterance in utterances:
            path = root / utterance.path
            if audio.inspect(path).subtype == "PCM_16":
                wave = audio.read(path).wave
                if wave.shape[0] == 1 and examine(wave[0]).shifted_from is not None:
                    damaged.add(utterance.id)
            bar.advance(1)
    if damaged:
        text = "%d of %d files are damaged, noise from where a byte was lost on, and left out: 'sepvae corpus validate'"
        _LOGGER.warning(text, len(damaged), len(utterances))
    return damaged


def make_mixtures(utterances: Sequence[Utterance], config: MixingConfig, *, root: str | Path, seed: int) -> Manifest:
    """Draw training, validation and test mixtures.

    Args:
        utterances: of the corpus.
        config: what to mix.
        root: folder of the corpus; the files are read for their levels.
        seed: of every choice. More training mixtures keep the earlier ones, and change no test mixture.

    Raises:
        InputError: too few speakers, sentences or long enough utterances; or a file cannot be used.
    """
    root, ordered = Path(root), sorted(utterances, key=lambda u: u.id)
    damaged = _list_damaged(ordered, root) if config.skip_damaged else set()
    ordered = [u for u in ordered if u.id not in damaged]
    long_enough = [u for u in ordered if u.duration_s >= config.duration_s[0]]
    counts = {"train": config.n_train, "valid": config.n_valid, "test": config.n_test}
    pools = make_pools(
        long_enough, config.sources, split=config.split, n_valid=config.n_valid, n_test=config.n_test, seed=seed
    )
    mixer, mixtures = _Mixer(config, root, seed, _list_noises(config)), list[Mixture]()
    with progress("mix", sum(counts.values()), unit="mixtures") as bar:
        for split, count in counts.items():
            mixtures += mixer.draw(split, count, getattr(pools, split), bar)
    notes = [f"{len(ordered) - len(long_enough)} utterances shorter than {config.duration_s[0]:g} s were left out"]
    if damaged:
        notes.append(
            f"{len(damaged)} of {len(utterances)} utterances were left out because their files are damaged, noise from "
            f"where a byte was lost on: {', '.join(sorted(damaged))}"
        )
    if any(u.text is None for u in long_enough):
        notes.append("some utterances have no text: sentences are told apart by utterance")
    return Manifest(Header(config=config.model_dump(mode="json"), seed=seed, notes=tuple(notes)), tuple(mixtures))
