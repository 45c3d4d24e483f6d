"""MP3, FLAC and Ogg: frames and pages say how much there is, whatever a header counts."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae import audio
from sepvae.containers.extent import UNKNOWN
from sepvae.containers.ogg import NO_END
from sepvae.errors import InputError

from .sounds import frames_of, mp3, noise
from .test_lengths import check_read


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("compressed")


def length_read(path: Path) -> int:
    """Return the length of a file, on which every way to read it agrees."""
    info, wave = audio.inspect(path), audio.read(path).wave
    assert info.n_samples == wave.shape[1] == sum(block.shape[1] for block in audio.read_blocks(path))
    return info.n_samples


ID3 = b"ID3\x04\0\0\0\0\x01\x00" + bytes(128)
MP3S = st.fixed_dictionaries(
    {
        "rate": st.sampled_from([16_000, 22_050, 44_100, 48_000]),
        "n_channels": st.integers(1, 2),
        "mode": st.sampled_from(["CONSTANT", "VARIABLE"]),
    }
)


@given(
    n_samples=st.integers(5_000, 40_000), made=MP3S, before=st.booleans(), behind=st.booleans(), late=st.integers(0, 3)
)
@settings(max_examples=25)
def test_mp3_without_a_count(
    folder: Path, n_samples: int, made: dict[str, object], before: bool, behind: bool, late: int
) -> None:
    """Whatever its rate and tags, and from whichever frame on: all frames are decoded."""
    data = mp3(n_samples, folder, **made)  # type: ignore[arg-type]
    frames = frames_of(data)[1 + late :]
    changed = (ID3 if before else b"") + data[frames[0][0] :] + (b"TAG" + bytes(125) if behind else b"")
    (folder / "b.mp3").write_bytes(changed)
    per_frame = 576 if made["rate"] in (16_000, 22_050) else 1152
    assert length_read(folder / "b.mp3") == len(frames) * per_frame
    assert audio.inspect(folder / "b.mp3").note == ""


@given(n_samples=st.integers(5_000, 40_000), made=MP3S)
@settings(max_examples=15)
def test_mp3_with_a_count_keeps_its_length(folder: Path, n_samples: int, made: dict[str, object]) -> None:
    (folder / "b.mp3").write_bytes(mp3(n_samples, folder, **made))  # type: ignore[arg-type]
    assert length_read(folder / "b.mp3") == n_samples
    assert audio.inspect(folder / "b.mp3").note == ""


def test_mp3_of_a_loud_beginning_is_not_short(tmp_path: Path) -> None:
    """A length made of the size and a first frame of high rate is a third of the truth."""
    loud, quiet = 0.5 * noise(16_000, 1)[0], np.zeros(160_000, np.float32)
    with soundfile.SoundFile(tmp_path / "a.mp3", "w", 16_000, 1, format="MP3", bitrate_mode="VARIABLE") as file:
        file.write(np.concatenate([loud, quiet]))
    data = (tmp_path / "a.mp3").read_bytes()
    frames = frames_of(data)
    (tmp_path / "b.mp3").write_bytes(data[frames[1][0] :])
    with soundfile.SoundFile(tmp_path / "b.mp3") as file:
        assert file.frames < 100_000, "libsndfile alone would read everything: the case is gone"
    assert length_read(tmp_path / "b.mp3") == (len(frames) - 1) * 576 > 176_000


def test_mp3_cut_within_a_frame(tmp_path: Path) -> None:
    """Without a count nothing says that there was more; with one it does."""
    data = mp3(20_000, tmp_path)
    frames = frames_of(data)
    cut = frames[-4][0] + 50
    (tmp_path / "b.mp3").write_bytes(data[frames[1][0] : cut])
    assert length_read(tmp_path / "b.mp3") == (len(frames) - 5) * 576
    note = "its last frame is cut off, and nothing says whether there were more"
    assert audio.inspect(tmp_path / "b.mp3").note == note
    (tmp_path / "c.mp3").write_bytes(data[:cut])
    there, counted = (len(frames) - 5) * 576, (len(frames) - 1) * 576
    words = rf"c.mp3: truncated: {counted - there} samples are missing; .*counts {counted}, {there} are there"
    with pytest.raises(InputError, match=words):
        audio.inspect(tmp_path / "c.mp3")


def test_mp3_files_one_after_the_other(tmp_path: Path) -> None:
    """The first counts its own frames alone."""
    first, second = mp3(20_000, tmp_path), mp3(30_000, tmp_path)
    counted, there = (len(frames_of(first)) - 1) * 576, (len(frames_of(first + second)) - 1) * 576
    (tmp_path / "b.mp3").write_bytes(first + second)
    assert length_read(tmp_path / "b.mp3") == there
    assert (
        audio.inspect(tmp_path / "b.mp3").note
        == f"its header counts {counted} samples, {there} are there: these are read"
    )
    with_tags = ID3 + first + ID3 + second + b"TAG" + bytes(125)
    (tmp_path / "b.mp3").write_bytes(with_tags)
    assert length_read(tmp_path / "b.mp3") == there


@pytest.mark.parametrize("n_bytes", [1, 100, 5000, 100_000])
def test_mp3_with_something_between_its_frames(tmp_path: Path, n_bytes: int) -> None:
    data = mp3(20_000, tmp_path)
    frames = frames_of(data)
    middle = frames[20][0]
    (tmp_path / "b.mp3").write_bytes(data[frames[1][0] : middle] + bytes(n_bytes) + data[middle:])
    assert length_read(tmp_path / "b.mp3") == (len(frames) - 1) * 576
    note = f"{n_bytes} bytes in it are no frames of MPEG audio and are left out"
    assert audio.inspect(tmp_path / "b.mp3").note == note
    (tmp_path / "b.mp3").write_bytes(data[frames[1][0] :] + bytes(n_bytes))
    assert length_read(tmp_path / "b.mp3") == (len(frames) - 1) * 576
    assert audio.inspect(tmp_path / "b.mp3").note == note
    (tmp_path / "b.mp3").write_bytes(data + bytes(n_bytes))
    assert length_read(tmp_path / "b.mp3") == 20_000


@pytest.mark.parametrize("less", [0, 10])
def test_mp3_with_a_count_of_fraunhofers(tmp_path: Path, less: int) -> None:
    """VBRI, which libsndfile takes for a frame of sound."""
    data = mp3(20_000, tmp_path)
    frames = frames_of(data)
    count = len(frames) - 1 - less
    first = data[: frames[1][0]]
    vbri = first[:4] + bytes(32) + b"VBRI" + bytes(10) + count.to_bytes(4, "big")
    (tmp_path / "b.mp3").write_bytes(vbri.ljust(len(first), b"\0") + data[len(first) :])
    there = (len(frames) - 1) * 576
    assert length_read(tmp_path / "b.mp3") == there
    note = f"its header counts {count * 576} samples, {there} are there: these are read"
    assert audio.inspect(tmp_path / "b.mp3").note == (note if less else "")


def test_mp3_that_begins_within_a_frame(tmp_path: Path) -> None:
    """As recordings of broadcasts do."""
    data = mp3(20_000, tmp_path)
    frames = frames_of(data)
    (tmp_path / "b.mp3").write_bytes(data[frames[5][0] + 7 :])
    assert length_read(tmp_path / "b.mp3") == (len(frames) - 6) * 576


def flac(folder: Path, n_samples: int, n_channels: int = 1, subtype: str = "PCM_16") -> tuple[bytearray, audio.Wave]:
    soundfile.write(folder / "right.flac", noise(n_samples, n_channels).T, 16_000, subtype=subtype)
    wave = soundfile.read(folder / "right.flac", dtype="float32", always_2d=True)[0].T
    return bytearray((folder / "right.flac").read_bytes()), wave


def recounted(data: bytearray, count: int) -> bytes:
    """Return a FLAC file with another number of samples counted."""
    changed = bytearray(data)
    changed[21] = data[21] & 0xF0 | count >> 32
    changed[22:26] = (count & 0xFFFFFFFF).to_bytes(4, "big")
    return bytes(changed)


@given(
    n_samples=st.integers(1, 30_000),
    n_channels=st.integers(1, 3),
    subtype=st.sampled_from(["PCM_16", "PCM_24"]),
    share=st.just(0.0) | st.floats(0.01, 0.99),
    tag=st.booleans(),
)
@settings(max_examples=25)
def test_flac_that_does_not_count_or_counts_too_few(
    folder: Path, n_samples: int, n_channels: int, subtype: str, share: float, tag: bool
) -> None:
    """As encoders leave it in a pipe, and programs that were stopped."""
    data, expected = flac(folder, n_samples, n_channels, subtype)
    count = int(share * n_samples)
    (folder / "a.flac").write_bytes(recounted(data, count) + (b"TAG" + bytes(125) if tag else b""))
    known = f"its header counts {count} samples, {n_samples} are there: these are read"
    assert check_read(folder / "a.flac", expected).note == (known if count else UNKNOWN)


def test_flac_that_was_cut_or_counts_too_many(tmp_path: Path) -> None:
    data, _ = flac(tmp_path, 20_000)
    (tmp_path / "a.flac").write_bytes(recounted(data, 20_001))
    with pytest.raises(InputError, match=r"a.flac: truncated: 1 samples are missing; .*counts 20001, 20000 are there"):
        audio.inspect(tmp_path / "a.flac")
    (tmp_path / "a.flac").write_bytes(bytes(data[:-1000]))  # within the last frame, whose header says how long it is
    with pytest.raises(InputError, match=r"a.flac: (damaged or cut off|truncated)"):
        audio.read(tmp_path / "a.flac")
    (tmp_path / "a.flac").write_bytes(bytes(data[: len(data) // 2]))
    with pytest.raises(InputError, match=r"a.flac: truncated: \d+ samples are missing; .*counts 20000, \d+ are there"):
        audio.inspect(tmp_path / "a.flac")
    (tmp_path / "a.flac").write_bytes(recounted(data, 0)[:-1000])
    with pytest.raises(
        InputError, match=r"a.flac: truncated: it ends within a frame, after 16384 samples \(its header"
    ):
        audio.inspect(tmp_path / "a.flac")


def test_flac_with_something_behind_its_frames(tmp_path: Path) -> None:
    for behind in (b"\0", bytes(1000), b"APETAGEX" + bytes(100), b"ID3" + bytes(500)):
        data, expected = flac(tmp_path, 20_000)
        (tmp_path / "a.flac").write_bytes(bytes(data) + behind)
        assert check_read(tmp_path / "a.flac", expected).note == ""
        (tmp_path / "a.flac").write_bytes(recounted(data, 0) + behind)
        assert check_read(tmp_path / "a.flac", expected).note == UNKNOWN


def test_flac_files_one_after_the_other_are_refused(tmp_path: Path) -> None:
    """libsndfile would read the first alone."""
    first, second = flac(tmp_path, 20_000)[0], flac(tmp_path, 30_000)[0]
    (tmp_path / "a.flac").write_bytes(bytes(first + second))
    with pytest.raises(InputError, match=r"a.flac: holds several recordings one after the other: split or encode"):
        audio.inspect(tmp_path / "a.flac")


def _crc(page: bytes) -> int:
    value = 0
    for byte in page:
        value ^= byte << 24
        for _ in range(8):
            value = (value << 1 ^ 0x04C11DB7 if value & 0x80000000 else value << 1) & 0xFFFFFFFF
    return value


def pages_of(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at < len(data):
        count = data[at + 26]
        length = 27 + count + sum(data[at + 27 : at + 27 + count])
        found.append(data[at : at + length])
        at += length
    return found


def later(page: bytes, by: int) -> bytes:
    """Return a page whose position is later by a number of samples."""
    position = struct.unpack("<Q", page[6:14])[0] + by
    changed = page[:6] + struct.pack("<Q", position) + page[14:22] + bytes(4) + page[26:]
    return changed[:22] + struct.pack("<I", _crc(changed)) + changed[26:]


def ogg(folder: Path, subtype: str, n_samples: int = 200_000, n_channels: int = 1) -> bytes:
    with soundfile.SoundFile(folder / "a.ogg", "w", 48_000, n_channels, subtype, format="OGG") as file:
        for start in range(0, n_samples, 4096):
            file.write(noise(n_samples, n_channels)[:, start : start + 4096].T)
    return (folder / "a.ogg").read_bytes()


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_is_read_whole_and_from_any_sample_on(tmp_path: Path, subtype: str) -> None:
    """libsndfile itself goes to a wrong sample near the end of Vorbis."""
    ogg(tmp_path, subtype, 100_003)
    expected = soundfile.read(tmp_path / "a.ogg", dtype="float32", always_2d=True)[0].T
    assert expected.shape == (1, 100_003)
    assert check_read(tmp_path / "a.ogg", expected).note == ""
    for start in (1, 20_000, 99_000, 100_002):
        assert np.array_equal(audio.read(tmp_path / "a.ogg", start=start).wave, expected[:, start:])


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_stream_without_an_end(tmp_path: Path, subtype: str) -> None:
    """Whole pages are read, and it is said that the stream was never ended; a page that is cut is missing."""
    pages = pages_of(ogg(tmp_path, subtype))
    whole = audio.read(tmp_path / "a.ogg").wave
    (tmp_path / "b.ogg").write_bytes(b"".join(pages[:-1]))
    info, wave = audio.inspect(tmp_path / "b.ogg"), audio.read(tmp_path / "b.ogg").wave
    assert 100_000 < info.n_samples == wave.shape[1] < 200_000 and info.note == NO_END
    assert np.array_equal(wave[:, :-2000], whole[:, : wave.shape[1] - 2000])
    (tmp_path / "b.ogg").write_bytes(b"".join(pages[:-1]) + pages[-1][:-1])
    with pytest.raises(InputError, match=r"b.ogg: truncated: the Ogg stream has no end; copy the file again"):
        audio.inspect(tmp_path / "b.ogg")


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_an_ogg_stream_that_begins_late(tmp_path: Path, subtype: str) -> None:
    """Recordings of broadcasts count from when the broadcast began."""
    pages = pages_of(ogg(tmp_path, subtype))
    whole = length_read(tmp_path / "a.ogg")
    headers = 2 if int.from_bytes(pages[2][6:14], "little") else 3
    (tmp_path / "b.ogg").write_bytes(b"".join([*pages[:headers], *(later(page, 10**7) for page in pages[headers:])]))
    assert abs(length_read(tmp_path / "b.ogg") - whole) <= 312


@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_ogg_recordings_one_after_the_other_are_refused(tmp_path: Path, subtype: str) -> None:
    data = ogg(tmp_path, subtype, 20_000)
    (tmp_path / "b.ogg").write_bytes(data + data)
    with pytest.raises(InputError, match=r"b.ogg: holds 2 recordings one after the other \(chained Ogg\): split or"):
        audio.inspect(tmp_path / "b.ogg")
