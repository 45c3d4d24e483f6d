"""From a record of the manifest to waves: the sources as they are in the mixture, and their sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path

import numpy as np

from sepvae import audio
from sepvae.audio import Wave
from sepvae.errors import InputError
from sepvae.files import check_free, hash_file, hash_json
from sepvae.mixing.backgrounds import synthesise
from sepvae.mixing.manifest import Manifest, Mixture, Source
from sepvae.mixing.rooms import images_of, impulse_responses
from sepvae.mixing.scene import Scene
from sepvae.outputs import OutputList
from sepvae.parts import remove_left
from sepvae.progress import progress
from sepvae.unfinished import Unfinished

# Ready mixtures are sums rounded to 16 bits; each file in the sum adds half a step.
_STEP_16_BIT = 1.0 / 32768


@dataclass(frozen=True)
class Rendered:
    """The waves of one mixture, each (time,) float32; sources and noise add up to the mixture; and its group.

    In a room, `channels` (microphones, time) is what the microphones hear, the sum of the `images` of the sources, each
    (microphones, time); mixture and sources are then those of the reference microphone.
    """

    mixture: Wave
    sources: dict[str, Wave]
    noise: Wave | None
    group: str | None = None
    channels: Wave | None = None
    images: dict[str, Wave] | None = None


@lru_cache(maxsize=64)
def _load(path: Path, sample_rate: int, size: int, modified_ns: int) -> tuple[Wave, str]:  # noqa: ARG001
    """Return the samples of a one-channel file at a rate, and the hash of the file; cached while it stays the same."""
    wave, rate = audio.read(path)
    if wave.shape[0] != 1:
        raise InputError(f"{path}: has {wave.shape[0]} channels, mixtures are made of one: mix it down first")
    mono: Wave = audio.resample(wave, from_rate=rate, to_rate=sample_rate)[0]
    return mono, hash_file(path)


def load_source(path: Path, sample_rate: int) -> tuple[Wave, str]:
    """Return the samples (time,) of a one-channel file, resampled to `sample_rate` Hz, and the SHA-256 of the file.

    Raises:
        InputError: the file cannot be read or has several channels.
    """
    try:
        status = path.stat()
    except OSError:
        raise InputError(f"{path}: no such file: give the folder the manifest was made from") from None
    return _load(path, sample_rate, status.st_size, status.st_mtime_ns)


def source_wave(source: Source, *, root: Path, n_samples: int, sample_rate: int, repeat: bool = False) -> Wave:
    """Return a source as it is in a mixture of `n_samples`, (time,); its layers included.

    Raises:
        InputError: the file is missing, has changed since the manifest was made, or is too short.
    """
    wave, path = _samples(source, root, sample_rate)
    stop = source.start + source.n_samples
    if source.loop is not None:
        first, last = source.loop
        places = first + (np.arange(source.start, stop) - first) % (last - first)
        part = wave[places] if last <= len(wave) else wave[:0]
    else:
        # A noise begins anew where its file ends; a manifest may name any place, so that nothing is made up to it.
        around = repeat and stop > len(wave) > 0
        part = wave[np.arange(source.start, stop) % len(wave)] if around else wave[source.start : stop]
    if len(part) < source.n_samples or source.offset + source.n_samples > n_samples:
        raise InputError(
            f"{path}: the manifest takes samples {source.start} to {stop} to position {source.offset} of a mixture of "
            f"{n_samples}, the file has {len(wave)}: make the mixtures anew"
        )
    placed = np.zeros(n_samples, np.float32)
    placed[source.offset : source.offset + source.n_samples] = np.float32(source.gain) * part
    for layer in source.layers:
        placed += source_wave(layer, root=root, n_samples=n_samples, sample_rate=sample_rate)
    return placed


def _samples(source: Source, root: Path, sample_rate: int) -> tuple[Wave, Path]:
    """Return all samples of the file (or synthetic recording) behind a source, (time,), and its path."""
    if source.synthetic:
        kind, _, number = source.path.partition("/")
        if not number.isdecimal():
            raise InputError(f"{source.path}: not the name of a synthetic background, such as water/3: mix anew")
        return synthesise(kind, int(number), sample_rate=sample_rate), Path(source.path)
    path = (Path(source.folder) if source.folder else root) / source.path
    wave, digest = load_source(path, sample_rate)
    if source.sha256 and digest != source.sha256:
        raise InputError(f"{path}: has changed since the manifest was made: restore it, or make the mixtures anew")
    return wave, path


def render(mixture: Mixture, root: str | Path) -> Rendered:
    """Rebuild the waves of a mixture.

    Args:
        mixture: a record of the manifest.
        root: folder of the corpus it draws from.

    Returns:
        Mixture, sources and noise, (time,) float32. The mixture is the float32 sum of the sources in their order and
        the noise; of a ready mixture it is the file, which must agree with the sum within 16-bit rounding. In a room
        the same holds of the images at every microphone.

    Raises:
        InputError: a file is missing or has changed, or a ready mixture is not the sum of its sources.
        MissingExtra: a simulated room without pyroomacoustics.
    """
    folder = Path(root)

    def wave_of(source: Source, *, repeat: bool = False) -> Wave:
        rate = mixture.sample_rate
        return source_wave(source, root=folder, n_samples=mixture.n_samples, sample_rate=rate, repeat=repeat)

    sources = {source.name: wave_of(source) for source in mixture.sources}
    if mixture.scene is not None:
        return _render_room(mixture, mixture.scene, sources)
    noise = None if mixture.noise is None else wave_of(mixture.noise, repeat=True)
    total = np.zeros(mixture.n_samples, np.float32)
    for wave in (*sources.values(), *(() if noise is None else (noise,))):
        total += wave
    if mixture.mixture_path is not None:
        total = _ready_mixture(mixture, folder, total)
    return Rendered(total, sources, noise, mixture.group)


def _render_room(mixture: Mixture, scene: Scene, dry: dict[str, Wave]) -> Rendered:
    """Return what the microphones of a room hear of some dry sources, each (time,)."""
    responses = impulse_responses(scene, sample_rate=mixture.sample_rate)
    gains = scene.gains or (1.0,) * scene.n_sources
    images = {
        name: images_of(wave, response, gain)
        for (name, wave), response, gain in zip(dry.items(), responses, gains, strict=True)
    }
    channels = np.zeros((scene.n_microphones, mixture.n_samples), np.float32)
    for image in images.values():
        channels += image
    sources = {name: image[scene.reference] for name, image in images.items()}
    return Rendered(channels[scene.reference], sources, None, mixture.group, channels, images)


def _ready_mixture(mixture: Mixture, root: Path, total: Wave) -> Wave:
    path = root / str(mixture.mixture_path)
    ready, _ = load_source(path, mixture.sample_rate)
    if len(ready) != len(total):
        raise InputError(f"{path}: has {len(ready)} samples, its sources {len(total)}: copy the corpus again")
    difference = float(np.abs(ready - total).max(initial=0.0))
    allowed = (len(mixture.sources) + (mixture.noise is not None) + 1) * _STEP_16_BIT
    if difference > allowed:
        raise InputError(
            f"{path}: is not the sum of its sources (they differ by {difference:.2g}, rounding explains "
            f"{allowed:.2g}): were they made with different options?"
        )
    return ready


def _signals(mixture: Mixture) -> list[str]:
    return ["mixture", *(source.name for source in mixture.sources), *(["noise"] if mixture.noise else [])]


def _check_room(manifest: Manifest, out: Path) -> None:
    """Check that all files can be written; those that are there already make room for their successors."""
    needed, largest = 0, 0
    for mixture in manifest.mixtures:
        n_channels = 1 if mixture.scene is None else mixture.scene.n_microphones
        for kind in _signals(mixture):
            path = out / mixture.split / kind / f"{mixture.id}.wav"
            n_bytes = audio.check_format(
                path, sample_rate=mixture.sample_rate, n_channels=n_channels, n_samples=mixture.n_samples
            )
            needed += n_bytes - (path.stat().st_size if path.is_file() else 0)
            largest = max(largest, n_bytes)
    audio.check_space(out, max(needed, largest))


def _files(mixture: Mixture, root: Path) -> list[Path]:
    """Return the files that a mixture is made of."""
    found = [] if mixture.mixture_path is None else [root / mixture.mixture_path]
    sources = [*mixture.sources, *([] if mixture.noise is None else [mixture.noise])]
    while sources:
        source = sources.pop()
        sources += source.layers
        if not source.synthetic:
            found.append((Path(source.folder) if source.folder else root) / source.path)
    if mixture.scene is not None and mixture.scene.folder is not None:
        found += [Path(mixture.scene.folder) / name for name in mixture.scene.files]
    return sorted(set(found))


def write_mixtures(
    manifest: Manifest,
    root: str | Path,
    out: str | Path,
    *,
    batch: Unfinished | None = None,
    overwrite: bool = True,
) -> None:
    """Render a manifest to `out/<split>/{mixture,<source>…,noise}/<id>.wav`.

    Of a mixture in a room the files have a channel for each microphone. Whether all can be written is checked before
    the first is made.

    Args:
        manifest: the mixtures.
        root: folder of the corpus they draw from.
        out: folder of the audio.
        batch: what a stopped call has made: the same mixtures of the same files are kept as they are.
        overwrite: replace what is there of anybody; what is there of `batch` is replaced in any case.

    Raises:
        ConfigError, InputError, OutputError: a mixture cannot be rebuilt or written.
    """
    folder = Path(out)
    _check_room(manifest, folder)
    if batch is not None:
        for place in {folder / mixture.split / kind for mixture in manifest.mixtures for kind in _signals(mixture)}:
            remove_left(place)
    outputs = OutputList(folder)
    with progress("mixtures", len(manifest.mixtures), unit="mixtures") as bar:
        for mixture in manifest.mixtures:
            paths = {kind: folder / mixture.split / kind / f"{mixture.id}.wav" for kind in _signals(mixture)}
            if batch is None:
                _write(mixture, Path(root), paths, outputs, overwrite=overwrite)
            else:
                _write_once(batch, mixture, Path(root), paths, outputs, overwrite=overwrite)
            bar.advance(1)


def _write_once(
    batch: Unfinished, mixture: Mixture, root: Path, paths: Mapping[str, Path], outputs: OutputList, *, overwrite: bool
) -> None:
    """Write the files of a mixture unless a stopped call has made them of the same record and the same files."""
    item = str(paths["mixture"].absolute())
    record, files = hash_json(mixture.to_json()), _files(mixture, root)
    kept = batch.kept(item, files)
    if kept is not None and kept.get("record") == record:
        return
    overwrite = overwrite or batch.may_replace(item)
    _write(mixture, root, paths, outputs, overwrite=overwrite, begin=partial(batch.begin, item))
    batch.finish(item, files, {"record": record, "outputs": {kind: str(path) for kind, path in paths.items()}})


def _write(
    mixture: Mixture,
    root: Path,
    paths: Mapping[str, Path],
    outputs: OutputList,
    *,
    overwrite: bool,
    begin: Callable[[], None] = lambda: None,
) -> None:
    """Write the files of a mixture, by kind of signal; `begin` is called before the first."""
    for path in paths.values():
        check_free(path, overwrite=overwrite)
    rendered = render(mixture, root)
    waves = [rendered.mixture, *rendered.sources.values()]
    if rendered.channels is not None and rendered.images is not None:
        waves = [rendered.channels, *rendered.images.values()]
    waves += [] if rendered.noise is None else [rendered.noise]
    begin()
    outputs.add(paths.values())
    for path, wave in zip(paths.values(), waves, strict=True):
        audio.write(path, wave, sample_rate=mixture.sample_rate)
