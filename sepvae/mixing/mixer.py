"""Draws the mixtures of a split: which utterances meet, which stretches of them, at which levels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from sepvae.audio import Wave
from sepvae.batch import one_of_many
from sepvae.corpora.records import Utterance
from sepvae.errors import InputError, SepvaeError
from sepvae.mixing.config import BACKGROUND, MixingConfig
from sepvae.mixing.manifest import Mixture, Source
from sepvae.mixing.mixture import load_source
from sepvae.mixing.noise import Noises, heard_stretch, rms
from sepvae.mixing.places import Rooms
from sepvae.mixing.pools import sentence
from sepvae.mixing.rooms import images_of, impulse_responses
from sepvae.mixing.scene import Scene
from sepvae.seeds import derive_seed, generator

_PEAK = 0.99
# How often a combination is drawn again when the first utterances left nothing for the last source.
_ATTEMPTS = 200


class UnusableUtteranceError(InputError):
    """An utterance of which no stretch can be mixed; the message names its file."""

    def __init__(self, utterance: Utterance, message: str) -> None:
        super().__init__(message)
        self.utterance = utterance


def _power(wave: Wave) -> float:
    """Return the mean square of a wave (time,)."""
    return float(np.mean(np.square(wave, dtype=np.float64)))


def _headroom(waves: Sequence[Wave]) -> float:
    """Return one gain for all waves (…, time), so that neither they nor their sum clip and their ratios stay."""
    peak = max(float(np.abs(wave).max()) for wave in (*waves, np.sum(waves, axis=0)))
    return min(1.0, _PEAK / peak)


class _Shuffled:
    """Utterances in a shuffled order, from which all are drawn before one is drawn again."""

    def __init__(self, utterances: Sequence[Utterance], *names: Any, seed: int) -> None:
        self._utterances, self._seed, self._names = list(utterances), seed, names
        self._round, self._left = 0, list[Utterance]()

    def _shuffle_again(self) -> None:
        order = generator(self._seed, "deck", *self._names, self._round).permutation(len(self._utterances))
        self._left += [self._utterances[index] for index in order]
        self._round += 1

    def draw(self, accept: Callable[[Utterance], bool]) -> Utterance | None:
        """Return the next utterance that is accepted; None when none is."""
        for _ in range(2):
            for position, utterance in enumerate(self._left):
                if accept(utterance):
                    return self._left.pop(position)
            self._shuffle_again()
        return None

    def put_back(self, utterance: Utterance) -> None:
        """Let an utterance that was drawn in vain come up after the others."""
        self._left.append(utterance)


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


class Mixer:
    """Draws the mixtures of a manifest, or of a group of it, each from its own stream of random numbers.

    `classes` are those of the pools, one for each source that speaks; `backgrounds` is what the source `background` is
    drawn from, `noises` what is laid under the mixtures and is no source, `rooms` where they are heard.
    """

    def __init__(
        self,
        config: MixingConfig,
        root: Path,
        seed: int,
        *,
        classes: Sequence[str],
        backgrounds: Noises | None,
        noises: Noises | None,
        rooms: Rooms | None = None,
        group: str | None = None,
    ) -> None:
        self.config, self.root, self.seed, self.classes = config, root, seed, tuple(classes)
        self.backgrounds, self.noises, self.rooms = backgrounds, noises, rooms
        self.names, self.group = source_labels(config.sources), group
        self._stream = () if group is None else (group,)

    def combinations(
        self,
        split: str,
        count: int,
        pool: Mapping[str, list[Utterance]],
        companies: Sequence[Sequence[str]] | None = None,
    ) -> list[list[Utterance]]:
        """Return the utterances of `count` mixtures, no combination twice; fewer mixtures are the first of more.

        With backgrounds combinations may come again: another background makes them another mixture. Of one source
        training has as many as there are: each is an utterance, and no more can be made.

        Args:
            split: that of the mixtures.
            count: how many.
            pool: utterances by label.
            companies: which labels of the pool meet, in turn; the classes of the mixer when None.

        Raises:
            InputError: there are not so many combinations.
        """
        turns = [self.classes] if companies is None else companies
        most = count
        if self.backgrounds is None:
            most = sum(prod(len(pool[label]) for label in labels) for labels in turns)
        shuffled = {label: _Shuffled(own, *self._stream, split, label, seed=self.seed) for label, own in pool.items()}
        used: set[tuple[str, ...]] = set()
        found: list[list[Utterance]] = []
        # More than there can be are not drawn one by one to find that out, which may take hours.
        fewer_do = split == "valid" or (split == "train" and len(self.names) == 1)
        while len(found) < count and (most >= count or fewer_do):
            labels = turns[len(found) % len(turns)]
            drawn = next(filter(None, (self._combination(labels, shuffled, used) for _ in range(_ATTEMPTS))), None)
            if drawn is None:
                break
            if self.backgrounds is None:
                used.add(tuple(utterance.id for utterance in drawn))
            found.append(drawn)
        if len(found) < count and not fewer_do:
            most = len(found) if most >= count else most
            raise InputError(
                f"at most {most} different {split} mixtures of {' + '.join(self.config.sources)} can be made from the "
                f"sentences this split may use: ask for no more than that (mixing.n_{split}), or add recordings"
            )
        return found

    def _combination(
        self, labels: Sequence[str], shuffled: dict[str, _Shuffled], used: set[tuple[str, ...]]
    ) -> list[Utterance] | None:
        """Draw one utterance for each label: different speakers, different sentences, not all together before."""
        drawn: list[Utterance] = []

        def accept(one: Utterance) -> bool:
            if any(one.speaker == other.speaker or sentence(one) == sentence(other) for other in drawn):
                return False
            return (*(other.id for other in drawn), one.id) not in used

        for label in labels:
            utterance = shuffled[label].draw(accept)
            if utterance is None:
                for other, its_label in zip(drawn, labels, strict=False):
                    shuffled[its_label].put_back(other)
                return None
            drawn.append(utterance)
        return drawn

    def mixture(self, split: str, index: int, utterances: Sequence[Utterance]) -> Mixture:
        """Return the record of a mixture: stretches of utterances and backgrounds, and their levels.

        Raises:
            UnusableUtteranceError: a file cannot be read, or nothing is heard in it.
            InputError: a background cannot be used, or a source is not heard in its room.
        """
        config, random = self.config, generator(self.seed, "mixture", *self._stream, split, index)
        files = [self._load(utterance) for utterance in utterances]
        longest = round(config.duration_s[1] * config.sample_rate)
        lengths = [min(len(wave), longest) for wave, _ in files]
        n_samples = min(lengths) if config.length == "min" else max(lengths)
        sources, waves = list[Source](), list[Wave]()
        snr_db = random.uniform(*config.snr_db, size=len(self.names))
        speakers = iter(zip(utterances, files, strict=True))
        for number, (name, label) in enumerate(zip(self.names, config.sources, strict=True)):
            level = config.level_rms * 10 ** (-(snr_db[number] if number else 0.0) / 20)
            if label == BACKGROUND and self.backgrounds is not None:
                source, wave = self.backgrounds.draw(name, split, n_samples, random)
                source, wave = source.amplified(level), np.float32(level) * wave
            else:
                utterance, file = next(speakers)
                source, wave = self._speech(name, utterance, file, n_samples, level, random)
            sources.append(source)
            waves.append(wave)
        noise = scene = None
        if self.rooms is not None:
            # A stream of its own: the same sentences meet in every room.
            room = self.rooms.draw(len(sources), generator(self.seed, "room", *self._stream, split, index))
            scene = self._levelled(room, sources, waves)
        if self.noises is not None:
            source, wave = self.noises.draw("noise", split, n_samples, random)
            total = np.sum(waves, axis=0)
            gain = rms(total, source.path) * 10 ** (-random.uniform(*config.noise_snr_db) / 20)
            noise = source.amplified(gain)
            waves.append(np.float32(gain) * wave)
        common = _headroom(waves) if scene is None else 1.0
        return Mixture(
            id="-".join((*self._stream, split, f"{index:05}")),
            split=split,
            sample_rate=config.sample_rate,
            n_samples=n_samples,
            sources=tuple(source.amplified(common) for source in sources),
            noise=None if noise is None else noise.amplified(common),
            seed=derive_seed(self.seed, "mixture", *self._stream, split, index),
            group=self.group,
            scene=scene,
        )

    def _load(self, utterance: Utterance) -> tuple[Wave, str]:
        """Return the samples (time,) of an utterance, and the hash of its file."""
        path = self.root / utterance.path
        try:
            with one_of_many(str(path)):
                wave, digest = load_source(path, self.config.sample_rate)
                if not len(wave):
                    raise InputError(f"{path}: holds no samples")
                return wave, digest
        except SepvaeError as error:
            raise UnusableUtteranceError(utterance, str(error)) from error

    def _levelled(self, scene: Scene, sources: Sequence[Source], dry: Sequence[Wave]) -> Scene:
        """Return a room whose gains bring the images at the reference to the levels of the dry sources, each (time,).

        The level is that of the stretch in which a source speaks. The gains are the room's, so that the dry source is
        the same whatever the room.

        Raises:
            InputError: nothing of a source arrives in time.
        """
        gains, images = list[float](), list[Wave]()
        responses = impulse_responses(scene, sample_rate=self.config.sample_rate)
        for source, wave, response in zip(sources, dry, responses, strict=True):
            image, stretch = images_of(wave, response), slice(source.offset, source.offset + source.n_samples)
            spoken, power = _power(wave[stretch]), _power(image[scene.reference, stretch])
            # What is not heard is not zero: the convolution rounds.
            if power < 1e-20 * spoken:
                raise InputError(f"{source.path}: is not heard in its room before it ends: ask for a longer duration_s")
            gains.append(float(np.sqrt(spoken / power)))
            images.append(np.float32(gains[-1]) * image)
        common = _headroom(images)
        return scene.model_copy(update={"gains": tuple(gain * common for gain in gains)})

    def _speech(
        self,
        name: str,
        utterance: Utterance,
        file: tuple[Wave, str],
        n_samples: int,
        level: float,
        random: np.random.Generator,
    ) -> tuple[Source, Wave]:
        """Return a stretch of an utterance placed in the mixture (time,), with `level` as RMS of the stretch."""
        wave, digest = file
        count = min(len(wave), n_samples)
        start = heard_stretch(wave, count, random)
        offset = int(random.integers(n_samples - count + 1))
        part = wave[start : start + count]
        try:
            gain = level / rms(part, self.root / utterance.path)
        except InputError as error:
            raise UnusableUtteranceError(utterance, str(error)) from error
        facts = {"speaker": utterance.speaker, "sex": utterance.sex, "text": utterance.text, "sha256": digest}
        place = {"start": start, "n_samples": count, "offset": offset, "gain": gain}
        placed = np.zeros(n_samples, np.float32)
        placed[offset : offset + count] = np.float32(gain) * part
        return Source(name=name, utterance=utterance.id, path=utterance.path, **facts, **place), placed
