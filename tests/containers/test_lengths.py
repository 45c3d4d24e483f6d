"""What is there decides how long a recording is: over containers, codecs, lengths, and what headers say instead."""

from __future__ import annotations

import logging
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae import audio
from sepvae.containers.extent import UNKNOWN
from sepvae.errors import InputError

from .sounds import CASES, KINDS, chunk, encoded, reference


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("lengths")


def check_read(path: Path, expected: audio.Wave) -> audio.AudioInfo:
    """Every way to read a file gives the same samples and the same length."""
    info, (wave, rate) = audio.inspect(path), audio.read(path)
    assert (info.n_channels, info.n_samples) == expected.shape and rate == info.sample_rate
    assert np.array_equal(wave, expected)
    assert np.array_equal(np.concatenate([*audio.read_blocks(path, block_samples=333)], axis=1), expected)
    start = expected.shape[1] // 3
    assert np.array_equal(audio.read(path, start=start).wave, expected[:, start:])
    assert np.array_equal(audio.read(path, start=start, n_samples=1).wave, expected[:, start : start + 1])
    return info


def unknown_sizes(width: int) -> st.SearchStrategy[int]:
    """What programs leave that cannot know: none, the largest, the largest positive, or a little less."""
    half, largest = 1 << 8 * width - 1, (1 << 8 * width) - 1
    below = st.sampled_from([0, 1, 7, 8, 36, 44, 0xFF, 0xFFF])
    sox_and_alsa = [0x7FFFF000, 0x7F000000, 0x7F000008, 0x80000000, 0x7FFFFFFF] if width == 4 else [half - 1, half]
    return st.just(0) | below.map(lambda less: largest - less) | st.sampled_from(sox_and_alsa)


def without_chunks_behind(name: str, data: bytes) -> bytes:
    """Return a right file that ends with its samples."""
    kind = KINDS[name]
    size = int.from_bytes(data[kind.place(data) :][: kind.width], kind.order) - kind.beside
    return data[: kind.start(data) + size]


@pytest.mark.parametrize("name", CASES)
@given(data=st.data(), eighth=st.integers(80, 180), n_channels=st.integers(1, 2), tail=st.booleans())
@settings(max_examples=20)
def test_a_size_that_the_writer_did_not_know(
    folder: Path, name: str, data: st.DataObject, eighth: int, n_channels: int, tail: bool
) -> None:
    """All samples are read, and that the header does not count them is said; chunks may follow."""
    subtype = data.draw(st.sampled_from(CASES[name]))
    kind, right = KINDS[name], encoded(name, subtype, 8 * eighth, n_channels, folder)
    expected = reference(folder / "right", right, 8 * eighth)
    bare = without_chunks_behind(name, right)
    changed = kind.resized(bare, data.draw(unknown_sizes(kind.width)))
    changed += chunk(kind, b"INFOISFTabc", position=len(bare)) if tail and kind.name != "AU" else b""
    (folder / "a.wav").write_bytes(changed)
    assert check_read(folder / "a.wav", expected).note == UNKNOWN


@pytest.mark.parametrize("name", CASES)
@given(
    data=st.data(),
    eighth=st.integers(150, 220),
    n_channels=st.integers(1, 2),
    share=st.floats(0.1, 0.9),
    tail=st.booleans(),
)
@settings(max_examples=15)
def test_a_size_that_is_too_small(
    folder: Path, name: str, data: st.DataObject, eighth: int, n_channels: int, share: float, tail: bool
) -> None:
    """As of a program that was stopped, or of a number that has wrapped: all is read, and both numbers are said."""
    subtype = data.draw(st.sampled_from(CASES[name]))
    kind, right = KINDS[name], encoded(name, subtype, 8 * eighth, n_channels, folder)
    expected = reference(folder / "right", right, 8 * eighth)
    bare = without_chunks_behind(name, right)
    there = len(bare) - kind.start(bare)
    counted = max(8, int(there * share) // 8 * 8)
    changed = kind.resized(bare, counted + kind.beside)
    changed += chunk(kind, b"INFOISFTabc", position=len(bare)) if tail and kind.name != "AU" else b""
    (folder / "a.wav").write_bytes(changed)
    info = check_read(folder / "a.wav", expected)
    assert info.note == f"its header counts {counted} bytes of audio, {there} are there: these are read"


@pytest.mark.parametrize("name", CASES)
@given(data=st.data(), eighth=st.integers(150, 220), n_channels=st.integers(1, 2), share=st.floats(0.1, 0.9))
@settings(max_examples=15)
def test_a_file_that_was_cut(
    folder: Path, name: str, data: st.DataObject, eighth: int, n_channels: int, share: float
) -> None:
    """A finished header counts more than there is: samples are missing for certain, and both numbers are said."""
    subtype = data.draw(st.sampled_from(CASES[name]))
    kind, right = KINDS[name], encoded(name, subtype, 8 * eighth, n_channels, folder)
    bare = without_chunks_behind(name, right)
    start, there = kind.start(bare), int((len(bare) - kind.start(bare)) * share)
    whole = len(bare) - start
    (folder / "a.wav").write_bytes(bare[: start + there])
    if whole in (start + there, start + there - 8):
        return  # as a header that counts itself
    words = (
        f"a.wav: truncated: {whole - there} bytes of audio are missing; copy the file again "
        rf"\(its header counts {whole}, {there} are there\)"
    )
    for read in (audio.inspect, audio.read, lambda path: list(audio.read_blocks(path))):
        with pytest.raises(InputError, match=words):
            read(folder / "a.wav")


@pytest.mark.parametrize("name", CASES)
@given(
    data=st.data(), eighth=st.integers(1, 220), n_channels=st.integers(1, 2), tail=st.integers(0, 3), cut=st.booleans()
)
@settings(max_examples=20)
def test_a_right_file_is_read_as_it_is(
    folder: Path, name: str, data: st.DataObject, eighth: int, n_channels: int, tail: int, cut: bool
) -> None:
    """Whatever chunks follow the samples, the last of them cut off or not, nothing is added, lost or said."""
    subtype = data.draw(st.sampled_from(CASES[name]))
    kind, right = KINDS[name], encoded(name, subtype, 8 * eighth, n_channels, folder)
    expected, changed = reference(folder / "right", right, 8 * eighth), right
    for number in range(tail if kind.name != "AU" else 0):
        changed += chunk(kind, b"INFO" + bytes(range(8 * number)), position=len(changed))
    if tail > 1 and cut and kind.name != "AU":
        changed = changed[:-6]
    (folder / "a.wav").write_bytes(changed)
    assert check_read(folder / "a.wav", expected).note == ""


GIB = 1 << 30
sparse_files = pytest.mark.skipif(os.name == "nt", reason="needs files with holes, as file systems of POSIX make them")


def sparse(path: Path, head: bytes, n_bytes: int, tail: bytes = b"") -> None:
    """Write a file of zeros but for its first and last bytes, which takes no room on most disks."""
    with path.open("wb") as file:
        file.write(head)
        file.truncate(len(head) + n_bytes - 4)
        file.seek(0, 2)
        file.write(b"\x12\x34\x12\x34" + tail)


@sparse_files
@pytest.mark.parametrize("name", ["WAV", "RIFX", "AIFF", "AIFC sowt", "AU", "AU little", "RF64", "W64", "CAF"])
@pytest.mark.parametrize("n_bytes", [2 * GIB + 8000, 4 * GIB + 8000, 6 * GIB + 8000, 9 * GIB + 64])
@pytest.mark.parametrize("modulus", [1 << 31, 1 << 32])
def test_a_size_that_wrapped(tmp_path: Path, name: str, n_bytes: int, modulus: int) -> None:
    """More than a size of 31 or 32 bits can hold: the last sample is found, and nothing is loaded for it."""
    kind = KINDS[name]
    right = encoded(name, "PCM_16", 8, 1, tmp_path)
    counted = n_bytes % modulus if kind.width == 4 else n_bytes % modulus or n_bytes
    sparse(tmp_path / "a.wav", kind.resized(right, counted + kind.beside)[: kind.start(right)], n_bytes)
    info = audio.inspect(tmp_path / "a.wav")
    assert info.n_samples == n_bytes // 2
    assert (info.note == "") == (counted == n_bytes)
    last = audio.read(tmp_path / "a.wav", start=info.n_samples - 3).wave[0]
    big = kind.endian == "BIG" or (kind.name == "AIFF" and kind.endian == "FILE") or name == "CAF"
    assert np.array_equal(last * 32768, [0, 0x1234, 0x1234] if big else [0, 0x3412, 0x3412])
    assert not next(audio.read_blocks(tmp_path / "a.wav", block_samples=100)).any()


@sparse_files
@pytest.mark.parametrize("name", ["WAV", "AIFF", "AU"])
@pytest.mark.parametrize("size", [0, 0x7FFFF000, 0x80000000, 0xFFFFFFFF])
def test_a_pipe_of_more_than_4_gib(tmp_path: Path, name: str, size: int) -> None:
    kind, n_bytes = KINDS[name], 4 * GIB + 8000
    right = encoded(name, "PCM_16", 8, 1, tmp_path)
    tail = chunk(kind, b"INFOISFT") if name != "AU" else b""
    sparse(tmp_path / "a.wav", kind.resized(right, size)[: kind.start(right)], n_bytes, tail)
    assert audio.inspect(tmp_path / "a.wav").n_samples == n_bytes // 2


@sparse_files
def test_packed_samples_beyond_what_a_header_can_count_are_refused(tmp_path: Path) -> None:
    right = encoded("WAV", "GSM610", 8, 1, tmp_path)
    sparse(tmp_path / "a.wav", KINDS["WAV"].resized(right, 0)[: KINDS["WAV"].start(right)], 5 * GIB)
    with pytest.raises(InputError, match=r"a.wav: holds 5368709120 bytes of GSM610, more than .* expand it to WAV"):
        audio.inspect(tmp_path / "a.wav")


def test_long_files_are_read_in_bounded_memory(tmp_path: Path) -> None:
    kind = KINDS["WAV"]
    right = encoded("WAV", "PCM_16", 8, 1, tmp_path)
    sparse(tmp_path / "a.wav", kind.resized(right, 0)[: kind.start(right)], 100_000_000)
    tracemalloc.start()
    n_samples = sum(block.shape[1] for block in audio.read_blocks(tmp_path / "a.wav"))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert n_samples == 50_000_000 and peak < 10_000_000


@sparse_files
def test_what_no_memory_holds_is_not_read_whole(tmp_path: Path) -> None:
    kind = KINDS["RF64"]
    n_bytes = 2000 * GIB
    right = kind.resized(encoded("RF64", "PCM_16", 8, 1, tmp_path), n_bytes)
    try:
        sparse(tmp_path / "a.wav", right[: kind.start(right)], n_bytes)
    except OSError:
        pytest.skip("the disk takes no file of this size")
    assert audio.inspect(tmp_path / "a.wav").n_samples == n_bytes // 2
    with pytest.raises(
        InputError, match=r"a.wav: .* h of 1 channels do not fit into memory \(8590 GB are needed\): cut"
    ):
        audio.read(tmp_path / "a.wav")
    assert audio.read(tmp_path / "a.wav", start=n_bytes // 2 - 2).wave.shape == (1, 2)


def test_bytes_that_are_neither_chunks_nor_samples(tmp_path: Path) -> None:
    """Padding and tags behind the samples are not heard."""
    right = encoded("WAV", "PCM_16", 800, 1, tmp_path)
    expected = reference(tmp_path / "right", right, 800)
    for behind in (
        b"\0",
        b"\r\n",
        bytes(7),
        bytes(4096),
        b"TAG" + bytes(125),
        b"ID3\x04" + bytes(300),
        b"APETAGEX" + bytes(24),
    ):
        (tmp_path / "a.wav").write_bytes(right + behind)
        assert check_read(tmp_path / "a.wav", expected).note == ""
    piped = KINDS["WAV"].resized(right, 0xFFFFFFFF)
    (tmp_path / "a.wav").write_bytes(piped + b"TAG" + bytes(125))
    assert check_read(tmp_path / "a.wav", expected).note == UNKNOWN


@pytest.mark.parametrize("slip", [0, 8])
def test_a_header_that_counts_itself(tmp_path: Path, slip: int) -> None:
    """Some programs write the size of the file, or that of its form, as that of the samples."""
    right = encoded("WAV", "PCM_16", 800, 1, tmp_path)
    (tmp_path / "a.wav").write_bytes(KINDS["WAV"].resized(right, len(right) - slip))
    info = check_read(tmp_path / "a.wav", reference(tmp_path / "right", right, 800))
    assert info.note == f"its header counts {len(right) - slip} bytes of audio, 1600 are there: these are read"


def test_packets_whose_sizes_stand_behind_them(tmp_path: Path) -> None:
    """ALAC in CAF, from a writer that did not count its bytes."""
    right = encoded("CAF", "ALAC_16", 40_000, 2, tmp_path)
    expected = reference(tmp_path / "right", right, 40_000)
    (tmp_path / "a.caf").write_bytes(KINDS["CAF"].resized(right, (1 << 64) - 1))
    assert check_read(tmp_path / "a.caf", expected).note == UNKNOWN


@pytest.mark.parametrize("container", ["WAV", "AIFF"])
def test_a_recording_without_samples_stays_one(tmp_path: Path, container: str) -> None:
    right = encoded(container, "PCM_16", 0, 1, tmp_path)
    for behind in (b"", chunk(KINDS[container], b"INFOISFTabcdef")):
        (tmp_path / "a.wav").write_bytes(right + behind)
        assert audio.read(tmp_path / "a.wav").wave.shape == (1, 0)


def test_bw64_is_rf64_under_another_name(tmp_path: Path) -> None:
    """ITU-R BS.2088."""
    right = encoded("RF64", "PCM_24", 800, 2, tmp_path)
    (tmp_path / "a.wav").write_bytes(b"BW64" + right[4:])
    check_read(tmp_path / "a.wav", reference(tmp_path / "right", right, 800))


def sphere(count: str, n_samples: int, n_channels: int = 1, order: str = "01") -> bytes:
    fields = f"channel_count -i {n_channels}\nsample_rate -i 16000\nsample_n_bytes -i 2\nsample_byte_format -s2 {order}"
    head = f"NIST_1A\n   1024\n{count}{fields}\nsample_coding -s3 pcm\nend_head\n".encode().ljust(1024)
    return head + np.arange(n_samples * n_channels, dtype="<i2" if order == "01" else ">i2").tobytes()


@pytest.mark.parametrize("order", ["01", "10"])
@pytest.mark.parametrize("n_channels", [1, 2])
@pytest.mark.parametrize("count", ["", "sample_count -i 0\n", "sample_count -i -1\n", "sample_count -i 100\n"])
def test_sphere_files_whose_count_is_missing_or_too_small(
    tmp_path: Path, order: str, n_channels: int, count: str
) -> None:
    (tmp_path / "a.sph").write_bytes(sphere(count, 500, n_channels, order))
    expected = np.arange(500 * n_channels, dtype=np.float32).reshape(500, n_channels).T / 32768
    info = check_read(tmp_path / "a.sph", expected)
    there = 1000 * n_channels
    known = f"its header counts {200 * n_channels} bytes of audio, {there} are there: these are read"
    assert info.note == (known if "100" in count else UNKNOWN)


def test_what_is_odd_is_said_once_for_each_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A number that is wrong is a warning; one that was never known is news."""
    right = encoded("WAV", "PCM_16", 800, 1, tmp_path)
    (tmp_path / "stale.wav").write_bytes(KINDS["WAV"].resized(right, 400))
    (tmp_path / "pipe.wav").write_bytes(KINDS["WAV"].resized(right, 0xFFFFFFFF))
    with caplog.at_level(logging.INFO, "sepvae"):
        for _ in range(2):
            for name in ("stale.wav", "pipe.wav"):
                audio.inspect(tmp_path / name)
                audio.read(tmp_path / name, start=7)
                list(audio.read_blocks(tmp_path / name))
    counts = f"{tmp_path / 'stale.wav'}: its header counts 400 bytes of audio, 1600 are there: these are read"
    said = [(record.levelname, record.message) for record in caplog.records]
    assert said == [("WARNING", counts), ("INFO", f"{tmp_path / 'pipe.wav'}: {UNKNOWN}")]
