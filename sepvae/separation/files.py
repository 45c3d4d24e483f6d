"""Separation of audio files: read and written in blocks, at any rate, in memory bounded by the block."""

from __future__ import annotations

import contextlib
import time
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sepvae import audio
from sepvae.files import check_free, scratch_folder
from sepvae.inputs import as_seen
from sepvae.outputs import OutputList, folder_of_outputs
from sepvae.separation.arrays import BlockSeparator


@dataclass(frozen=True)
class SeparatedFile:
    """What became of one input file: the outputs by source, and what was done on the way."""

    path: str
    outputs: dict[str, str]
    sample_rate: int
    resampled_to: int | None
    n_channels: int
    n_samples: int
    seconds: float
    clipped_samples: int


def output_folders(paths: Sequence[Path], out: Path) -> list[Path]:
    """Return an output folder for each input, different for different inputs.

    Named after the file as the user sees it, behind a link too. Where two inputs share a name, or one that differs in
    letter case alone, these are named after their paths below the common folder of all, and with the ending where that
    is still not enough.

    Example:
        >>> [str(p) for p in output_folders([Path("A/a.wav"), Path("B/a.wav"), Path("B/b.wav")], Path("out"))]
        ['out/A/a', 'out/B/a', 'out/b']
        >>> [str(p) for p in output_folders([Path("a.wav"), Path("a.mp3")], Path("out"))]
        ['out/a.wav', 'out/a.mp3']
    """
    seen = [as_seen(path) for path in paths]
    n_common = len(_common_parts([path.parent.parts for path in seen]))
    # A drive of Windows is a part with a colon, and no folder can be called so.
    below = [[part.rstrip("\\/").rstrip(":") for part in path.parts[n_common:]] for path in seen]
    choices = [_names_of(parts) for parts in below]
    level = [0] * len(paths)
    while True:
        names = [own[at] for own, at in zip(choices, level, strict=True)]
        groups: dict[str, set[int]] = {}
        for place, name in enumerate(names):
            groups.setdefault(unicodedata.normalize("NFC", name.as_posix()).casefold(), set()).add(place)
        shared = [group for group in groups.values() if len({seen[place] for place in group}) > 1]
        longer = {place for group in shared for place in group if level[place] + 1 < len(choices[place])}
        if not longer:
            return [out / name for name in names]
        level = [at + (place in longer) for place, at in enumerate(level)]


def _names_of(parts: Sequence[str]) -> tuple[Path, ...]:
    """Return the names of an output folder for a file from its parts below the common folder, the shortest first."""
    *folders, name = parts
    stem = name.rpartition(".")[0]
    # Of `...wav` nothing would be left but the folder above.
    stem = stem if stem.strip(".") else name
    return Path(stem), Path(*folders, stem), Path(*folders, name)


def _common_parts(parts: Sequence[tuple[str, ...]]) -> list[str]:
    common = []
    for level in zip(*parts, strict=False):
        if len(set(level)) > 1:
            break
        common.append(level[0])
    return common


def separate_file(
    separator: BlockSeparator,
    path: Path,
    folder: Path,
    *,
    subtype: str = "float",
    overwrite: bool = False,
    outputs: OutputList | None = None,
    begin: Callable[[], object] = lambda: None,
    tell: Callable[[float], object] = lambda _: None,
) -> SeparatedFile:
    """Separate one audio file into `folder/<source>.wav`, at the rate and length of the input.

    A file at another rate than the model's is resampled there and back. Every channel is separated by itself. Whether
    the outputs can be written is checked before the first sample is separated.

    Args:
        separator: what separates it.
        path: audio file.
        folder: folder of the outputs.
        subtype: `float`, `pcm16` or `pcm24`; integers saturate, and how often is counted.
        overwrite: replace outputs that exist.
        outputs: list of the folder of all outputs, which these are added to.
        begin: is called when the outputs may be written, before the first of them is.
        tell: is called with the seconds of the file that are separated, after each block.

    Raises:
        InputError: the file cannot be read.
        OutputError: an output exists or cannot be written.
    """
    started = time.perf_counter()
    info = audio.inspect(path)
    finals = {name: folder / f"{name}.wav" for name in separator.sources}
    for final in finals.values():
        check_free(final, overwrite=overwrite)
    wanted = info.sample_rate != separator.sample_rate
    audio.check_space(folder, _needed_bytes(info, list(finals.values()), separator.sample_rate, subtype))
    with folder_of_outputs(folder), scratch_folder(folder) as work:
        if outputs is not None:
            outputs.add(finals.values())
        begin()
        source = path
        if wanted or not info.finds_samples:
            # A block is read by itself, from its first sample on, which not every codec finds.
            source = work / "input.wav"
            audio.resample_file(path, source, to_rate=separator.sample_rate)
        separated = {name: work / f"{name}.wav" for name in finals} if wanted else finals
        clipped = _separate_to(
            separator, source, separated, subtype="float" if wanted else subtype, name=str(path), tell=tell
        )
        if wanted:
            clipped = 0
            for name, final in finals.items():
                clipped += audio.resample_file(
                    separated[name], final, to_rate=info.sample_rate, n_samples=info.n_samples, subtype=subtype
                )
    return SeparatedFile(
        path=str(path),
        outputs={name: str(final) for name, final in finals.items()},
        sample_rate=info.sample_rate,
        resampled_to=separator.sample_rate if wanted else None,
        n_channels=info.n_channels,
        n_samples=info.n_samples,
        seconds=time.perf_counter() - started,
        clipped_samples=clipped,
    )


def _needed_bytes(info: audio.AudioInfo, finals: Sequence[Path], model_rate: int, subtype: str) -> int:
    """Return how many bytes the outputs take, with what lies beside them while they are made."""
    shape = {"sample_rate": info.sample_rate, "n_channels": info.n_channels, "n_samples": info.n_samples}
    total = sum(audio.check_format(final, **shape, subtype=subtype) for final in finals)
    resampled = info.sample_rate != model_rate
    copies = 1 + len(finals) if resampled else 0 if info.finds_samples else 1
    n_samples = round(info.n_samples * model_rate / info.sample_rate)
    return total + copies * n_samples * info.n_channels * np.dtype(np.float32).itemsize


def _separate_to(
    separator: BlockSeparator,
    source: Path,
    targets: dict[str, Path],
    *,
    subtype: str,
    name: str,
    tell: Callable[[float], object],
) -> int:
    """Separate a file at the model's rate into one file for each source; return the number of clipped samples."""
    info = audio.inspect(source)

    def read(start: int, stop: int) -> audio.Wave:
        return audio.read(source, start=start, n_samples=stop - start).wave

    with contextlib.ExitStack() as stack:
        writers = {
            source_name: stack.enter_context(
                audio.writing(
                    target,
                    sample_rate=info.sample_rate,
                    n_channels=info.n_channels,
                    n_samples=info.n_samples,
                    subtype=subtype,
                )
            )
            for source_name, target in targets.items()
        }
        for block in separator.stream(read, n_samples=info.n_samples, name=name):
            for source_name, wave in block.items():
                writers[source_name].write(wave)
            tell(next(iter(writers.values())).n_samples / info.sample_rate)
        return sum(writer.clipped_samples for writer in writers.values())
