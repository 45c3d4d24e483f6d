"""Separation of audio files: read and written in blocks, at any rate, in memory bounded by the block."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from sepvae import audio
from sepvae.files import check_free, make_folder, scratch_folder
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

    Named after the file; where two inputs share a name, after their paths below their common folder, and with the
    ending where that is still not enough.

    Example:
        >>> [str(p) for p in output_folders([Path("A/a.wav"), Path("B/a.wav")], Path("out"))]
        ['out/A/a', 'out/B/a']
    """
    resolved = [path.resolve() for path in paths]
    common = Path(*_common_parts([path.parent.parts for path in resolved]))
    below = [path.relative_to(common) for path in resolved]
    for names in ([Path(path.stem) for path in below], [path.with_suffix("") for path in below], below):
        if len(set(names)) == len(set(resolved)):
            break
    return [out / name for name in names]


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
    begin: Callable[[], object] = lambda: None,
    tell: Callable[[float], object] = lambda _: None,
) -> SeparatedFile:
    """Separate one audio file into `folder/<source>.wav`, at the rate and length of the input.

    A file at another rate than the model's is resampled there and back. Every channel is separated by itself.

    Args:
        separator: what separates it.
        path: audio file.
        folder: folder of the outputs.
        subtype: `float`, `pcm16` or `pcm24`; integers saturate, and how often is counted.
        overwrite: replace outputs that exist.
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
    make_folder(folder)
    begin()
    with scratch_folder(folder) as work:
        source, wanted = path, info.sample_rate != separator.sample_rate
        if wanted:
            source = work / "input.wav"
            audio.resample_file(path, source, to_rate=separator.sample_rate)
        separated = {name: work / f"{name}.wav" for name in finals} if wanted else finals
        clipped = _separate_to(separator, source, separated, subtype="float" if wanted else subtype, tell=tell)
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


def _separate_to(
    separator: BlockSeparator,
    source: Path,
    targets: dict[str, Path],
    *,
    subtype: str,
    tell: Callable[[float], object],
) -> int:
    """Separate a file at the model's rate into one file for each source; return the number of clipped samples."""
    info = audio.inspect(source)

    def read(start: int, stop: int) -> torch.Tensor:
        return torch.from_numpy(audio.read(source, start=start, n_samples=stop - start).wave)

    with contextlib.ExitStack() as stack:
        writers = {
            name: stack.enter_context(
                audio.writing(target, sample_rate=info.sample_rate, n_channels=info.n_channels, subtype=subtype)
            )
            for name, target in targets.items()
        }
        for block in separator.stream(read, n_samples=info.n_samples):
            for name, wave in block.items():
                writers[name].write(wave.cpu().numpy())
            tell(next(iter(writers.values())).n_samples / info.sample_rate)
        return sum(writer.clipped_samples for writer in writers.values())
