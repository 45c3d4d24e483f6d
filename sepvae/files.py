"""Atomic files and folders, content hashes: the only place that writes final names."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from zipfile import BadZipFile

from sepvae.errors import InputError, OutputError
from sepvae.json_text import parse_json
from sepvae.parts import claimed
from sepvae.reading import check_ordinary, unlisted

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NEXT_STEP = {
    errno.ENOSPC: "the disk is full: free some space or choose another output",
    errno.EFBIG: "the file is larger than the file system or a limit allows: choose another output",
    errno.EDQUOT: "the disk quota is used up: free some space or choose another output",
    errno.EACCES: "permission denied: choose a folder you may write to",
    errno.EPERM: "permission denied: choose a folder you may write to",
    errno.EROFS: "the file system is read-only: choose another output",
    errno.ENOTDIR: "a part of the path is a file, not a folder: choose another output",
    errno.EISDIR: "the path is a folder, not a file: choose another output",
    errno.ENAMETOOLONG: "the name is too long for this file system: choose a shorter one",
}

_PROBE_BYTES = 1 << 16
# What is read as a whole: the scores of a large experiment have a tenth of it. A line is a record of a manifest.
MAX_TEXT_BYTES, _MAX_LINE = 1 << 26, 1 << 24
_AT_FDCWD, _RENAME_EXCHANGE = -100, 2  # of Linux; macOS has the same number for an exchange


def output_error(path: Path, error: OSError) -> OutputError:
    """Return the OutputError that names `path` and the next step for `error`."""
    advice = _NEXT_STEP.get(error.errno or 0, error.strerror or str(error))
    return OutputError(f"cannot write {path}: {advice}")


def resource(name: str) -> Path:
    """Return a file or folder that comes with sepvae: in the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent
    installed = package / name
    return installed if installed.exists() else package.parent / name


def make_folder(path: str | os.PathLike[str]) -> Path:
    """Create the folder `path` with its parents and return it; OutputError names what stands in the way."""
    folder = Path(path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise OutputError(f"cannot write into {folder}: it is a file, not a folder: choose another output") from None
    except OSError as error:
        raise output_error(folder, error) from error
    return folder


def _sync_folder(folder: Path) -> None:
    """Flush a rename to disk; file systems that cannot sync a folder do not need it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _sync_file(path: Path) -> None:
    with path.open("rb+") as file:
        os.fsync(file.fileno())


def ask_for_space(part: Path) -> None:
    """Append to a file that is given up: the OSError says why the disk took no more, if it was the disk."""
    with part.open("ab") as file:
        file.write(bytes(_PROBE_BYTES))
        os.fsync(file.fileno())


def _target(path: str | os.PathLike[str], kind: str) -> Path:
    """Return where a result goes, behind links; OutputError when something else than a `kind` is in its place."""
    final = Path(path)
    if "\0" in str(final):
        raise OutputError(f"cannot write {str(final)!r}: a name holds no NUL: choose another output")
    make_folder(final.parent)
    try:
        if final.is_symlink():
            final = Path(os.path.realpath(final))
            make_folder(final.parent)
        if not final.exists() or (final.is_dir() if kind == "folder" else final.is_file()):
            return final
        found = "a folder" if final.is_dir() else "a file" if final.is_file() else "a pipe or a device"
    except OSError as error:
        raise output_error(Path(path), error) from error
    what = path if kind == "file" else f"the folder {path}"
    raise OutputError(f"cannot write {what}: it is {found}: choose another output")


@contextlib.contextmanager
def _in_part(path: Path, final: Path, folder: Path, kind: Literal["file", "folder"]) -> Iterator[Path]:
    """Yield a part in a folder; errors of the disk in the block name `path` in its place."""
    part = None
    try:
        with claimed(folder, kind) as part:
            yield part
    except OutputError as error:
        if part is None or str(part) not in str(error):
            raise
        raise OutputError(str(error).replace(str(part), str(path))) from error
    except OSError as error:
        # An error that names another file is not about this output.
        if part is not None and error.filename and not str(error.filename).startswith((str(part), str(final))):
            raise
        raise output_error(path, error) from error


@contextlib.contextmanager
def _published(
    path: str | os.PathLike[str], kind: Literal["file", "folder"], *, durable: bool = True
) -> Iterator[tuple[Path, Path]]:
    """Yield the final path and a part beside it."""
    final = _target(path, kind)
    with _in_part(Path(path), final, final.parent, kind) as part:
        yield final, part
        if durable:
            _sync_folder(final.parent)


@contextlib.contextmanager
def scratch_folder(folder: Path) -> Iterator[Path]:
    """Yield a new hidden folder in a folder, which is removed behind the block; OutputError when it takes no more."""
    with _in_part(folder, folder, folder, "folder") as part:
        yield part


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[Path]:
    """Yield an empty part beside `path`; publish it under the final name only if the block succeeds.

    A kill leaves the old file or the new one; with `durable`, so does a loss of power. Without, many small files take a
    tenth of the time, and who made them has to look whether they are whole.

    Raises:
        OutputError: the folder or file cannot be written (full disk, no permission, a folder in the way).
    """
    with _published(path, "file", durable=durable) as (final, part):
        yield part
        if durable:
            _sync_file(part)
        os.replace(part, final)


@contextlib.contextmanager
def atomic_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield an empty part beside `path`; publish it (replacing an older folder) only if the block succeeds.

    Raises:
        OutputError: the folder cannot be written, or the final name is a file.
    """
    with _published(path, "folder") as (final, part):
        yield part
        for item in part.rglob("*"):
            (_sync_folder if item.is_dir() else _sync_file)(item)
        _sync_folder(part)
        if not final.exists():
            os.replace(part, final)
        elif not _exchange(part, final):
            _swap(part, final)


def _exchange(first: Path, second: Path) -> bool:
    """Swap two names in one step, so that a kill leaves no moment without the older folder; False where unsupported."""
    if sys.platform == "win32":
        return False
    import ctypes

    one, other = os.fsencode(first), os.fsencode(second)
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        if sys.platform == "darwin":
            return bool(library.renamex_np(one, other, _RENAME_EXCHANGE) == 0)
        return bool(library.renameat2(_AT_FDCWD, one, _AT_FDCWD, other, _RENAME_EXCHANGE) == 0)
    return False


def _swap(part: Path, final: Path) -> None:
    """Swap two names in three steps, or leave the older folder where it was."""
    old = part.with_suffix(".old")
    os.replace(final, old)
    try:
        os.replace(part, final)
    except OSError:
        os.replace(old, final)
        raise
    os.replace(old, part)


def _encode(text: str) -> bytes:
    r"""Return UTF-8; what a file name that is none left in the text becomes `\udcff`, which JSON reads back."""
    return text.encode("utf-8", "backslashreplace")


def write_bytes(path: str | os.PathLike[str], data: bytes, *, durable: bool = True) -> None:
    """Write `data` to `path` atomically; `durable` as in `atomic_file`."""
    with atomic_file(path, durable=durable) as part:
        part.write_bytes(data)


def write_text(path: str | os.PathLike[str], text: str) -> None:
    """Write `text` to `path` atomically as UTF-8, line ends as they are."""
    write_bytes(path, _encode(text))


def to_json(value: Any, *, indent: int | None = None) -> str:
    r"""Return strict JSON with sorted keys (NaN and infinity are errors: they are not JSON).

    It can be written as UTF-8: of a file name that is none, what is none becomes an escape such as `\udcff`.
    """
    return _encode(json.dumps(value, indent=indent, sort_keys=True, ensure_ascii=False, allow_nan=False)).decode()


def write_json(path: str | os.PathLike[str], value: Any) -> None:
    """Write `value` to `path` atomically as indented strict JSON."""
    write_text(path, to_json(value, indent=2) + "\n")


def check_folder(folder: Path, *, advice: str) -> None:
    """Raise InputError, with advice on what to do, when something is no folder."""
    try:
        with os.scandir(folder):
            return
    except FileNotFoundError:
        what = "no such folder"
    except NotADirectoryError:
        what = "is a file, expected a folder"
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"{folder}: cannot be listed: {unlisted(error)}") from error
    raise InputError(f"{folder}: {what}: {advice}")


def check_free(path: Path, *, overwrite: bool) -> None:
    """Raise OutputError when a file, or a folder with something in it, is there and must stay."""
    try:
        taken = any(path.iterdir()) if path.is_dir() else path.is_file()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise OutputError(f"cannot write {str(path)!r}: {unlisted(error)}: or choose another output") from error
    if taken and not overwrite:
        raise OutputError(f"{path} exists: pass --overwrite to replace it, or choose another output")


def _unreadable(source: Path, error: OSError | ValueError) -> InputError:
    """Return the error that says why a text cannot be read."""
    if isinstance(error, FileNotFoundError):
        return InputError(f"{source}: no such file")
    if isinstance(error, IsADirectoryError):
        return InputError(f"{source}: is a folder, expected a text file")
    return InputError(f"{source}: cannot be read ({getattr(error, 'strerror', None) or error})")


def read_bytes(path: str | os.PathLike[str], *, most_bytes: int = MAX_TEXT_BYTES) -> bytes:
    """Return what a file holds; InputError when it is missing, a folder, a pipe, too large, or may not be read."""
    source = Path(path)
    check_ordinary(source)
    try:
        # A sparse file has any size on any disk.
        with source.open("rb") as file:
            data = file.read(most_bytes + 1)
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(source, error) from error
    if len(data) > most_bytes:
        raise InputError(f"{source}: is larger than {most_bytes} bytes: is it the file that you mean?")
    return data


def _decode(data: bytes, path: str | os.PathLike[str], *, at: int = 0) -> str:
    """Return UTF-8 with any line ends, and with or without the mark that Windows editors put first, as text."""
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text ({error.reason} at byte {at + error.start})") from error
    return text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")


def read_text(path: str | os.PathLike[str], *, most_bytes: int = MAX_TEXT_BYTES) -> str:
    """Read UTF-8 text; InputError when it is missing, a folder, longer than `most_bytes`, or not text."""
    return _decode(read_bytes(path, most_bytes=most_bytes), path)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read one JSON value; InputError with the line when it is not JSON."""
    return parse_json(read_text(path), str(path))


def write_jsonl(path: str | os.PathLike[str], records: Iterable[Any]) -> None:
    """Write one compact JSON record a line, atomically."""
    with atomic_file(path) as part, part.open("wb") as file:
        for record in records:
            file.write(_encode(to_json(record) + "\n"))


def read_jsonl(path: str | os.PathLike[str]) -> Iterator[Any]:
    """Yield the records of a JSONL file; InputError names the file and the line that is not JSON."""
    for number, line in enumerate(_lines(path), start=1):
        if line.strip():
            yield parse_json(line, f"{path}, line {number}")


def _lines(path: str | os.PathLike[str]) -> Iterator[str]:
    """Yield the lines of a text file of any length, each of a length that fits in memory."""
    source, position = Path(path), 0
    check_ordinary(source)
    try:
        with source.open("rb") as file:
            while line := file.readline(_MAX_LINE + 1):
                if len(line) > _MAX_LINE:
                    raise InputError(f"{source}: has a line of more than {_MAX_LINE} bytes: is it JSON Lines?")
                yield from _decode(line, source, at=position).removesuffix("\n").split("\n")
                position += len(line)
    except InputError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise _unreadable(source, error) from error


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write arrays by name to `path` atomically, as NumPy's npz; the same arrays give the same bytes.

    Raises:
        OutputError: the file cannot be written, or an array holds Python objects.
    """
    import numpy as np

    plain = {name: np.asarray(array) for name, array in arrays.items()}
    for name, array in plain.items():
        if array.dtype.hasobject:
            raise OutputError(f"cannot write {path}: the array {name!r} holds Python objects: give it numbers")
    with atomic_file(path) as part, part.open("wb") as file:
        np.savez(file, **plain)  # type: ignore[arg-type]


def read_arrays(path: str | os.PathLike[str]) -> dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote; InputError when it is missing, is no npz, or holds Python objects."""
    import numpy as np

    check_ordinary(Path(path))
    try:
        with open(path, "rb") as file:
            loaded = np.load(file, allow_pickle=False)
            if isinstance(loaded, np.ndarray):
                raise ValueError("a single array")
            return {name: loaded[name] for name in loaded.files}
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read as arrays ({reason}): make it anew") from error


def hash_file(path: str | os.PathLike[str]) -> str:
    """Return the SHA-256 of a file's bytes as hex."""
    check_ordinary(Path(path))
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise InputError(f"{path}: cannot be read ({getattr(error, 'strerror', None) or error})") from error


def hash_json(value: Any) -> str:
    """Return the SHA-256 of a JSON value, independent of key order, as hex."""
    return hashlib.sha256(_encode(to_json(value))).hexdigest()


def remove(path: str | os.PathLike[str]) -> None:
    """Remove a file or a whole folder, if it is there; OutputError when it cannot be removed."""
    target = Path(path)
    try:
        if target.is_dir() and not target.is_symlink():
            shutil.rmtree(target)
        else:
            target.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(f"cannot remove {target}: {error.strerror}: remove it by hand") from error
