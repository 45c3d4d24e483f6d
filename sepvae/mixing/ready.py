"""WSJ0-2mix and Libri2Mix folders read as ready mixtures: the files are the mixtures, nothing is drawn."""

from __future__ import annotations

from pathlib import Path

from sepvae import audio
from sepvae.corpora.listing import file_names
from sepvae.errors import InputError
from sepvae.files import check_folder, hash_file
from sepvae.formats import is_audio
from sepvae.inputs import Tree
from sepvae.mixing.manifest import Header, Manifest, Mixture, Source, make_mixture
from sepvae.mixing.names import id_of
from sepvae.progress import progress

# Both corpora keep one folder per signal, with the same file name in each.
_SPLITS = {
    "tr": "train",
    "train-100": "train",
    "train-360": "train",
    "train": "train",
    "cv": "valid",
    "dev": "valid",
    "valid": "valid",
    "tt": "test",
    "test": "test",
}
# Where a corpus has mixtures with and without noise, the clean ones are read: their references are the whole truth.
_MIXTURE_FOLDERS = ("mix_clean", "mix", "mixture", "mix_both")
_SOURCE_FOLDERS = ("s1", "s2", "s3", "source1", "source2", "source3")


def _split_folders(root: Path) -> list[Path]:
    """Return the folders of splits; InputError names a folder that cannot be looked into."""
    tree = Tree(root)
    found = sorted(p for p in (root / prefix for prefix, _ in tree.walk()) if p.name.lower() in _SPLITS)
    for _, message in tree.passed_over.failures():
        raise InputError(message)
    return [p for p in found if any((p / name).is_dir() for name in _MIXTURE_FOLDERS)]


def read_ready_mixtures(root: str | Path, *, mixture: str | None = None) -> Manifest:
    """List the ready mixtures of a WSJ0-2mix, WHAM! or Libri2Mix folder.

    Args:
        root: folder such as `wav8k/min` or `Libri2Mix/wav16k/max`, holding `tr cv tt` or `train-100 dev test`.
        mixture: name of the folder of mixtures, such as `mix_both`; the first of mix_clean, mix, mixture and mix_both
            that is there by default.

    Returns:
        A manifest whose sources are called s1, s2, …; rendering it checks that each mixture is the sum of its sources.

    Raises:
        InputError: no such folders, several rates or lengths of one mixture, or a source without its file.
    """
    folder = Path(root)
    check_folder(folder, advice="give that of the mixtures, such as wav8k/min")
    splits = _split_folders(folder)
    groups = {p.parent for p in splits}
    if not splits or len(groups) > 1:
        found = f"found {', '.join(str(p) for p in sorted(groups))}: give one of them" if groups else "found none"
        raise InputError(
            f"{folder}: expected one folder with tr, cv, tt (WSJ0-2mix) or train-100, dev, test (Libri2Mix), each with "
            f"mix or mix_clean, s1 and s2; {found}"
        )
    mixtures: list[Mixture] = []
    for split in splits:
        mixtures += _read_split(folder, split, mixture)
    return Manifest(Header(config={"ready": True}), tuple(mixtures))


def _read_split(root: Path, split: Path, wanted: str | None) -> list[Mixture]:
    names = (wanted,) if wanted else _MIXTURE_FOLDERS
    mixed = next((split / name for name in names if (split / name).is_dir()), None)
    sources = [split / name for name in _SOURCE_FOLDERS if (split / name).is_dir()]
    if mixed is None or not sources:
        raise InputError(f"{split}: has no folder {' or '.join(names)} beside s1 and s2")
    noise = split / "noise" if mixed.name == "mix_both" else None
    files = [mixed / name for name in file_names(mixed) if is_audio(name)]
    if not files:
        raise InputError(f"{mixed}: holds no audio files")
    found = []
    with progress(split.name, len(files), unit="mixtures") as bar:
        for file in files:
            info = audio.inspect(file)
            parts = [_part(root, part / file.name, part.name, info) for part in sources]
            found.append(
                make_mixture(
                    str(file),
                    parts,
                    id=f"{split.name}-{id_of(file.stem)}",
                    split=_SPLITS[split.name.lower()],
                    sample_rate=info.sample_rate,
                    n_samples=info.n_samples,
                    noise=None if noise is None else _part(root, noise / file.name, "noise", info),
                    mixture_path=file.relative_to(root).as_posix(),
                )
            )
            bar.advance(1)
    return found


def _part(root: Path, path: Path, name: str, mixture: audio.AudioInfo) -> Source:
    """Return one signal of a ready mixture; its file must have the mixture's rate and length."""
    info = audio.inspect(path)
    if (info.sample_rate, info.n_samples) != (mixture.sample_rate, mixture.n_samples):
        raise InputError(
            f"{path}: {info.n_samples} samples at {info.sample_rate} Hz, its mixture has {mixture.n_samples} at "
            f"{mixture.sample_rate} Hz: copy the corpus again"
        )
    return Source(
        name=name,
        utterance=path.stem,
        path=path.relative_to(root).as_posix(),
        speaker="",
        sex="unknown",
        sha256=hash_file(path),
        start=0,
        n_samples=info.n_samples,
        offset=0,
        gain=1.0,
    )
