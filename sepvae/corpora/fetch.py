"""Download NLTK's sample of TIMIT: resumable, verified, unpacked safely, published only when whole."""

from __future__ import annotations

import hashlib
import logging
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from sepvae.corpora.timit_sample import TimitSample
from sepvae.errors import InputError, OutputError
from sepvae.files import atomic_folder, make_folder, output_error
from sepvae.inputs import name_bytes
from sepvae.progress import Job, progress

if TYPE_CHECKING:
    from http.client import HTTPResponse
    from zipfile import ZipFile, ZipInfo

_log = logging.getLogger(__name__)

_TIMEOUT_S = 30.0
_MAX_ATTEMPTS = 20
_RANGE_NOT_SATISFIABLE = 416
_BLOCK_BYTES = 1 << 16
_KB = 1000
_MAX_UNPACKED_BYTES = 200_000_000
_MAX_MEMBERS = 10_000
# No file system takes more, and looking for the folders of a name takes the square of their number.
_MAX_NAME, _MAX_DEPTH, _MAX_PART_BYTES = 1000, 50, 255
_SHOWN = 60


@dataclass(frozen=True)
class Archive:
    """A zip file on the web: its address, what it must weigh, its MD5 as its publisher states it, and its licence."""

    url: str
    n_bytes: int
    md5: str
    licence: str


# Size and checksum as published in NLTK's own index, https://github.com/nltk/nltk_data, index.xml, package "timit".
TIMIT_SAMPLE = Archive(
    url="https://raw.githubusercontent.com/nltk/nltk_data/gh-pages/packages/corpora/timit.zip",
    n_bytes=22_251_869,
    md5="34c047c4749a811287f2c652104d7849",
    licence="Copyright 1993 Linguistic Data Consortium; Creative Commons Attribution, NonCommercial, ShareAlike",
)


def fetch_timit_sample(folder: str | Path, *, archive: Archive = TIMIT_SAMPLE) -> Path:
    """Download NLTK's sample of TIMIT into `folder`, which appears only when everything is there and verified.

    An interrupted download stays beside the folder as `<folder>.zip.part` and is continued by the next call; a file
    downloaded by hand and saved under that name is taken too.

    Args:
        folder: new or empty folder; one that already holds the sample is returned as it is.
        archive: what to download.

    Returns:
        The folder, to be opened with `open_corpus`.

    Raises:
        InputError: there is no connection, or what came is not what NLTK published; the message says what to do.
        OutputError: the folder holds something else, or cannot be written.
    """
    final = Path(folder).resolve()
    if final.exists() and not final.is_dir():
        raise OutputError(f"{final}: is a file: give a new folder for the sample of TIMIT")
    if final.is_dir() and any(final.iterdir()):
        if TimitSample.matches(final):
            _log.info("%s already holds the sample of TIMIT", final)
            return final
        raise OutputError(f"{final}: is not empty: give a new folder for the sample of TIMIT")
    _log.info("The sample of TIMIT is for non-commercial use: %s", archive.licence)
    make_folder(final.parent)
    part = final.with_name(f"{final.name}.zip.part")
    with progress("download", archive.n_bytes // _KB, unit="kB", start=_size(part) // _KB) as job:
        _download(archive, part, final, job)
    _verify(archive, part)
    with atomic_folder(final) as unpacked:
        unpack(part, unpacked)
        if not TimitSample.matches(unpacked):
            raise InputError(f"{archive.url}: holds no folders such as dr1-fvmh0: this is not NLTK's sample of TIMIT")
    part.unlink()
    return final


def _download(archive: Archive, part: Path, final: Path, job: Job) -> None:
    """Bring `part` to its full size, continuing where it ends, and again for as long as an attempt brings something."""
    from http.client import HTTPException

    failure, restarted = "the connection closed early", False
    for _ in range(_MAX_ATTEMPTS):
        before = _size(part)
        if before >= archive.n_bytes:
            return
        try:
            _continue_download(archive, part, job)
        except OutputError:
            raise
        except (OSError, HTTPException) as error:
            failure = str(error).removeprefix("<urlopen error ").removesuffix(">") or type(error).__name__
            if getattr(error, "code", None) == _RANGE_NOT_SATISFIABLE and not restarted:
                # What is here is no beginning of what is there: once, start from nothing.
                part.unlink()
                restarted = True
        if _size(part) == before:
            break
        _log.info("%s: %d of %d bytes are here", archive.url, _size(part), archive.n_bytes)
    if _size(part) >= archive.n_bytes:
        return
    raise InputError(
        f"{archive.url}: could not be downloaded ({failure}; {_size(part)} of {archive.n_bytes} bytes are here): "
        f"run this again to continue; or download the file by hand, save it as {part} and run this again; "
        f"or make a synthetic corpus with 'sepvae corpus demo {final}'"
    )


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _continue_download(archive: Archive, part: Path, job: Job) -> None:
    from urllib.request import Request, urlopen

    if not archive.url.startswith(("http://", "https://")):
        raise InputError(f"{archive.url}: only http and https addresses are downloaded")
    start = _size(part)
    request = Request(archive.url, headers={"Range": f"bytes={start}-"} if start else {})  # noqa: S310 (checked above)
    with urlopen(request, timeout=_TIMEOUT_S) as response:  # noqa: S310
        # A server that ignores the range sends the whole file, from its first byte.
        start = start if _continues_at(response, start) else 0
        try:
            file = part.open("ab" if start else "wb")
        except OSError as error:
            raise output_error(part, error) from error
        with file:
            received = start
            # One byte more than expected is read, so that a longer file is noticed by its size.
            while received <= archive.n_bytes and (block := response.read(_BLOCK_BYTES)):
                try:
                    file.write(block)
                except OSError as error:
                    raise output_error(part, error) from error
                received += len(block)
                job.advance(min(received, archive.n_bytes) // _KB - job.done)


def _continues_at(response: HTTPResponse, start: int) -> bool:
    return response.status == 206 and (response.headers["Content-Range"] or "").startswith(f"bytes {start}-")


def _verify(archive: Archive, part: Path) -> None:
    """Compare size and checksum; a wrong file is removed, so that the next call starts afresh."""
    with part.open("rb") as file:
        # NLTK publishes MD5: it guards against accidents; the archive is unpacked as if it were hostile.
        md5 = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
    size = _size(part)
    if (size, md5) != (archive.n_bytes, archive.md5):
        part.unlink()
        raise InputError(
            f"{archive.url}: what was downloaded is not what NLTK published: received {size} bytes with MD5 {md5}, "
            f"expected {archive.n_bytes} bytes with {archive.md5}: it was removed, run this again"
        )


def unpack(path: Path, folder: Path) -> None:
    """Unpack a zip file into an existing folder, without the folder that everything in it may lie in.

    Raises:
        InputError: not a zip file, or a damaged one; or a member is a link, leaves the folder, or is encrypted; or the
            files are too many or too large. The caller removes what was unpacked until then.
    """
    for place, content in _contents(path):
        target = folder.joinpath(*place.parts)
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("xb") as file:
            file.write(content)


def _contents(path: Path) -> Iterator[tuple[PurePosixPath, bytes]]:
    """Yield place and content of each member of a zip, whose checksums zipfile compares."""
    import zipfile
    import zlib

    try:
        with zipfile.ZipFile(path) as archive:
            members = _checked_members(archive, path)
            tops = {place.parts[0] for place in members}
            depth = 1 if len(tops) == 1 and all(len(place.parts) > 1 for place in members) else 0
            for place, member in members.items():
                yield PurePosixPath(*place.parts[depth:]), archive.read(member)
    except InputError:
        raise
    # What zipfile lets through from a damaged archive, found by changing each of its bytes.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, IndexError, ValueError, OSError) as error:
        raise InputError(f"{path}: not a whole zip file ({error}): remove it and download it again") from error


def _longest(place: PurePosixPath) -> int:
    """Return the bytes of the longest part of a path."""
    return max((len(name_bytes(part)) for part in place.parts), default=0)


def _check_name(name: str, place: PurePosixPath, path: Path) -> None:
    """Raise InputError for the name of a member that leaves the folder, or that no file system takes."""
    if place.is_absolute() or ".." in place.parts or any(char in name for char in "\\:\0"):
        raise InputError(f"{path}: refused: member {name!r} would be written outside the folder")
    if len(name) > _MAX_NAME or len(place.parts) > _MAX_DEPTH or _longest(place) > _MAX_PART_BYTES:
        raise InputError(
            f"{path}: refused: member {name[:_SHOWN]!r} has a name of {len(name)} letters in "
            f"{len(place.parts)} parts, allowed are {_MAX_NAME} in {_MAX_DEPTH}, each of {_MAX_PART_BYTES} bytes"
        )


def _checked_members(archive: ZipFile, path: Path) -> dict[PurePosixPath, ZipInfo]:
    """Return the files of a zip by their relative place; InputError when one of them could do harm."""
    members: dict[PurePosixPath, ZipInfo] = {}
    seen: set[str] = set()
    infos = archive.infolist()
    total = sum(info.file_size for info in infos)
    if len(infos) > _MAX_MEMBERS or total > _MAX_UNPACKED_BYTES:
        raise InputError(
            f"{path}: refused: unpacks to {len(infos)} files and {total} bytes, "
            f"allowed are {_MAX_MEMBERS} and {_MAX_UNPACKED_BYTES}"
        )
    for info in infos:
        place = PurePosixPath(info.filename)
        kind = stat.S_IFMT(info.external_attr >> 16)
        _check_name(info.filename, place, path)
        if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            raise InputError(f"{path}: refused: member {info.filename!r} is a link or a device, not a file")
        if info.flag_bits & 1:
            raise InputError(f"{path}: refused: member {info.filename!r} is encrypted")
        if info.is_dir():
            continue
        if str(place).casefold() in seen or not place.parts:
            raise InputError(f"{path}: refused: member {info.filename!r} is there twice")
        seen.add(str(place).casefold())
        members[place] = info
    if any(parent in members for place in members for parent in place.parents):
        raise InputError(f"{path}: refused: a member is a file and a folder at once")
    if not members:
        raise InputError(f"{path}: the zip file is empty: remove it and download it again")
    return members
