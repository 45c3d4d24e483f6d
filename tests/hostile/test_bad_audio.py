"""Damaged and hostile sound files, odd names, full disks and kills: a named error, and no half file, every time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sepvae import audio, sphere
from sepvae.errors import InputError, OutputError
from sepvae.seeds import generator

posix = pytest.mark.skipif(os.name == "nt", reason="needs a POSIX system")


def noise(n_samples: int = 4000) -> audio.Wave:
    return (0.1 * generator(0, "hostile").standard_normal((1, n_samples))).astype(np.float32)


def encoded(folder: Path, container: str, subtype: str) -> bytes:
    soundfile.write(folder / "source", noise()[0], 16000, subtype=subtype, format=container)
    return (folder / "source").read_bytes()


def refused(path: Path, words: str) -> None:
    """Every way to read a file refuses it, with the same error that begins with its name."""
    for read in (audio.inspect, audio.read, lambda p: list(audio.read_blocks(p)), lambda p: audio.read_mono(p, 16000)):
        with pytest.raises(InputError, match=words) as caught:
            read(path)
        assert str(caught.value).startswith(str(path)) and len(str(caught.value)) < len(str(path)) + 250


def png() -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize("ending", [".wav", ".flac", ".ogg", ".mp3", ".sph", ".txt", ""])
@pytest.mark.parametrize(
    "data",
    [b"hello, this is text\n" * 40, generator(0, "bytes").bytes(5000), png(), bytes(5000), b"%PDF-1.7\n", b"\xff"],
    ids=["text", "random", "png", "zeros", "pdf", "one byte"],
)
def test_what_is_not_audio(tmp_path: Path, ending: str, data: bytes) -> None:
    (tmp_path / f"a{ending}").write_bytes(data)
    refused(tmp_path / f"a{ending}", r"not an audio file that can be read|damaged|truncated")


def test_what_is_no_file(tmp_path: Path) -> None:
    refused(tmp_path / "none.wav", r"none.wav: no such file$")
    refused(tmp_path, r": is a folder, expected an audio file$")
    (tmp_path / "empty.wav").touch()
    refused(tmp_path / "empty.wav", r"empty.wav: the file is empty \(0 bytes\)$")
    (tmp_path / "file").write_text("x")
    refused(tmp_path / "file" / "a.wav", r"a.wav: ")
    refused(tmp_path / ("x" * 300 + ".wav"), r"xxx.wav: ")
    refused(Path("a\0b.wav"), r"null")


@posix
def test_pipes_and_devices_do_not_hang_or_flood(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")
    refused(tmp_path / "pipe.wav", r"pipe.wav: .*not an ordinary file")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    refused(tmp_path / "loop.wav", r"loop.wav: ")
    (tmp_path / "zero.wav").symlink_to("/dev/zero")
    refused(tmp_path / "zero.wav", r"zero.wav: .*not an ordinary file")


@pytest.mark.parametrize(
    ("container", "subtype"),
    [
        ("WAV", "PCM_16"),
        ("WAV", "PCM_24"),
        ("WAV", "FLOAT"),
        ("AIFF", "PCM_16"),
        ("RF64", "PCM_16"),
        ("NIST", "PCM_16"),
        ("CAF", "PCM_16"),
        ("W64", "PCM_16"),
        ("AU", "PCM_16"),
    ],
)
@pytest.mark.parametrize("share", [0.02, 0.3, 0.999])
def test_cut_files_are_refused_by_the_number_of_missing_bytes(
    tmp_path: Path, container: str, subtype: str, share: float
) -> None:
    data = encoded(tmp_path, container, subtype)
    kept = max(int(len(data) * share), {"NIST": 1100, "CAF": 4200}.get(container, 128))
    (tmp_path / "cut.wav").write_bytes(data[:kept])
    refused(tmp_path / "cut.wav", rf"cut.wav: truncated: {len(data) - kept} bytes of audio are missing; copy the file")


@pytest.mark.parametrize("ending", [".flac", ".wav"])
def test_cut_headers_are_refused(tmp_path: Path, ending: str) -> None:
    audio.write(tmp_path / f"a{ending}", noise(), sample_rate=16000, subtype="pcm16")
    data = (tmp_path / f"a{ending}").read_bytes()
    for kept in range(1, 60):
        (tmp_path / f"cut{ending}").write_bytes(data[:kept])
        with pytest.raises(InputError, match=rf"cut{ending}: "):
            audio.read(tmp_path / f"cut{ending}")


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("ending", [".flac", ".ogg"])
def test_cut_compressed_files_are_never_read_as_shorter_ones(tmp_path: Path, ending: str, share: float) -> None:
    audio.write(tmp_path / f"a{ending}", noise(40_000), sample_rate=16000, subtype="pcm16")
    data = (tmp_path / f"a{ending}").read_bytes()
    (tmp_path / f"cut{ending}").write_bytes(data[: int(len(data) * share)])
    for read in (audio.read, lambda path: list(audio.read_blocks(path))):
        with pytest.raises(InputError, match=rf"cut{ending}: (truncated|damaged)"):
            read(tmp_path / f"cut{ending}")


def test_a_header_that_promises_too_much_costs_no_memory(tmp_path: Path) -> None:
    """A FLAC header may claim 2^36 samples, 256 GiB."""
    audio.write(tmp_path / "a.flac", noise(), sample_rate=16000, subtype="pcm16")
    data = bytearray((tmp_path / "a.flac").read_bytes())
    data[21] |= 0x0F
    data[22:26] = b"\xff" * 4
    (tmp_path / "a.flac").write_bytes(data)
    for read in (audio.read, lambda path: list(audio.read_blocks(path))):
        with pytest.raises(InputError, match=r"a.flac: (truncated|damaged)"):
            read(tmp_path / "a.flac")


@pytest.mark.parametrize("ending", [".raw", ".vox", ".gsm", ".au", ".SND"])
def test_text_is_no_sound_whatever_its_name(tmp_path: Path, ending: str) -> None:
    """libsndfile takes text in .au and .snd for noise at 8 kHz."""
    (tmp_path / f"a{ending}").write_text("hello, this is text\n" * 40)
    refused(tmp_path / f"a{ending}", rf"a{ending}: has no header that says its rate and format: convert it to WAV")


def test_chunks_of_other_programs_are_passed_over(tmp_path: Path) -> None:
    """An odd chunk is padded to an even size; text may follow the samples."""
    data = encoded(tmp_path, "WAV", "PCM_16")
    odd = b"LIST" + struct.pack("<I", 5) + b"INFOx\0"
    after = data[:12] + odd + data[12:] + odd
    after = after[:4] + struct.pack("<I", len(after) - 8) + after[8:]
    (tmp_path / "a.wav").write_bytes(after)
    expected, _ = soundfile.read(tmp_path / "source", dtype="float32")
    assert np.array_equal(audio.read(tmp_path / "a.wav").wave[0], expected)
    (tmp_path / "b.wav").write_bytes(data[:12] + b"junk" + struct.pack("<I", 1 << 31) + data[12:])
    refused(tmp_path / "b.wav", r"b.wav: ")


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers_are_named_by_position(tmp_path: Path, bad: float) -> None:
    wave = noise(600)[0]
    wave[[321, 500]] = bad
    soundfile.write(tmp_path / "a.wav", wave, 16000, subtype="FLOAT")
    words = r"a.wav: sample 321 is NaN or infinite: repair the file or leave it out"
    for read in (audio.read, lambda path: list(audio.read_blocks(path, block_samples=100))):
        with pytest.raises(InputError, match=words):
            read(tmp_path / "a.wav")
    assert audio.read(tmp_path / "a.wav", n_samples=321).wave.shape == (1, 321)


NAMES = [
    "a b.wav",
    'it\'s "q".wav',
    "男声-đọc.wav",
    "-rf.wav",
    "--help.wav",
    "$(date);`x`.wav",
    "%s%n.wav",
    "x" * 251 + ".wav",
]


@posix
@pytest.mark.parametrize(
    "name", [*NAMES, "new\nline.wav", "*?.wav", os.fsdecode(b"\xff\xfe.wav"), "\\.wav", "~.wav", ".wav.wav"]
)
def test_any_name_a_file_system_takes_is_read_and_written(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    audio.write(name, noise(), sample_rate=16000)
    assert np.array_equal(audio.read(name).wave, noise())
    assert [path.name for path in tmp_path.iterdir()] == [name]


@posix
def test_a_file_called_dash_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    audio.write("a.wav", noise(), sample_rate=16000)
    Path("a.wav").rename("-")
    assert audio.inspect("-").n_samples == 4000


def test_outputs_in_impossible_places(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder.wav").mkdir()
    with pytest.raises(OutputError, match=r"cannot write into .*file: it is a file, not a folder: choose another"):
        audio.write(tmp_path / "file" / "a.wav", noise(), sample_rate=16000)
    with pytest.raises(OutputError, match=r"cannot write .*folder.wav: it is a folder: choose another output"):
        audio.write(tmp_path / "folder.wav", noise(), sample_rate=16000)
    with pytest.raises(OutputError, match=r"the name is too long for this file system"):
        audio.write(tmp_path / ("x" * 300 + ".wav"), noise(), sample_rate=16000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.wav"]


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Python in a process of its own, for limits that would bind the tests too."""
    prelude = "import sys, numpy as np\nfrom sepvae import audio\nfrom sepvae.errors import OutputError\n"
    return subprocess.run(
        [sys.executable, "-c", prelude + code, *arguments], capture_output=True, text=True, timeout=60
    )


FULL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
wave = 0.1 * np.random.default_rng(0).standard_normal((1, 60000)).astype(np.float32)
try:
    with audio.writing(sys.argv[1], sample_rate=16000, n_channels=1, subtype=sys.argv[3]) as file:
        for start in range(0, 60000, 5000):
            file.write(wave[:, start:start + 5000])
except OutputError as error:
    print(error)
else:
    print("no error")
"""


@posix
@pytest.mark.parametrize(
    ("name", "subtype"), [("a.wav", "float"), ("a.wav", "pcm16"), ("a.flac", "pcm24"), ("a.ogg", "float")]
)
@pytest.mark.parametrize("limit", [0, 30, 5000, -1])
def test_a_full_disk_is_told_and_leaves_nothing(tmp_path: Path, name: str, subtype: str, limit: int) -> None:
    if limit < 0:  # the last byte does not fit
        audio.write(
            tmp_path / name,
            0.1 * np.random.default_rng(0).standard_normal((1, 60000)),
            sample_rate=16000,
            subtype=subtype,
        )
        limit = (tmp_path / name).stat().st_size - 1
        (tmp_path / name).unlink()
    result = run(FULL_DISK, str(tmp_path / name), str(limit), subtype)
    assert result.stdout.startswith(f"cannot write {tmp_path / name}: "), result
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB, where this user may make one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run([mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", disk], capture_output=True)
    if not made or made.returncode:
        pytest.skip("this user may not mount a disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_really_full_disk(small_disk: Path, name: str) -> None:
    with pytest.raises(OutputError, match=rf"cannot write .*{name}: the disk is full: free some space or choose"):
        audio.write(small_disk / name, noise(400_000), sample_rate=16000)
    assert list(small_disk.iterdir()) == []
    audio.write(small_disk / name, noise(1000), sample_rate=16000)


@posix
@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg"])
def test_a_killed_writer_leaves_nothing_under_the_final_name(tmp_path: Path, name: str) -> None:
    code = (
        "import sys, time, numpy as np; from sepvae import audio\n"
        "with audio.writing(sys.argv[1], sample_rate=16000, n_channels=1) as file:\n"
        "    file.write(np.zeros((1, 5000), np.float32)); print('ready', flush=True); time.sleep(60)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / name)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGKILL)
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]


HEADS = [
    b"",
    b"RIFF\xff\xff\xff\xffWAVE",
    b"RIFF\0\0\0\0WAVEfmt ",
    b"FORM\0\0\0\0AIFF",
    b"NIST_1A\n   1024\n",
    b"fLaC",
    b"OggS",
    b"caff",
    b"caff\0\1\0\0desc\0\0\0\0\0\0\0\x20",
    b".snd\0\0\0\x18\xff\xff\xff\xff",
    b"RF64\xff\xff\xff\xffWAVEds64\x1c\0\0\0",
    bytes.fromhex("726966662e91cf11a5d628db04c10000"),
    b"ID3\x04\0\0\0\0\0\0",
    b"\xff\xfb\x90\x64",
    b"fLaC\0\0\0\x22" + bytes(34) + b"\xff\xf8\xc9\x18\0",
    b"OggS\0\2" + bytes(20) + b"\1\x1e\1vorbis",
]


def readers() -> list[Callable[[Path], object]]:
    return [audio.inspect, audio.read, lambda path: list(audio.read_blocks(path))]


@given(
    head=st.sampled_from(HEADS),
    tail=st.binary(max_size=400),
    ending=st.sampled_from(["wav", "flac", "ogg", "mp3", "au"]),
)
@settings(max_examples=500)
def test_any_bytes_are_read_or_refused(
    head: bytes, tail: bytes, ending: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.getbasetemp() / f"fuzz.{ending}"
    path.write_bytes(head + tail)
    for read in readers():
        try:
            read(path)
        except InputError as error:
            assert str(error).startswith(str(path))


PLAIN = ("WAV", "AIFF", "FLAC", "RF64", "CAF", "W64", "AU")


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("whole")
    found = {name: encoded(folder, name, "PCM_16") for name in PLAIN}
    sphere.write_pcm16(folder / "a.sph", np.arange(4000, dtype=np.int16), 16000, database="x", utterance="y")
    return found | {
        "NIST": (folder / "a.sph").read_bytes(),
        "OGG": encoded(folder, "OGG", "VORBIS"),
        "MP3": encoded(folder, "MP3", "MPEG_LAYER_III"),
    }


@given(
    container=st.sampled_from([*PLAIN, "NIST", "OGG", "MP3"]),
    changes=st.dictionaries(st.integers(0, 199), st.integers(0, 255), max_size=4),
)
@example(container="WAV", changes={24: 0, 25: 0})
@settings(max_examples=500)
def test_changed_headers_are_read_or_refused(
    whole: dict[str, bytes], container: str, changes: dict[int, int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(whole[container])
    for position, value in changes.items():
        data[position] = value
    path = tmp_path_factory.getbasetemp() / "changed.wav"
    path.write_bytes(data)
    lengths = set()
    for read in (lambda: audio.inspect(path).n_samples, lambda: audio.read(path).wave.shape[1], lambda: blocks(path)):
        try:
            lengths.add(read())
        except InputError as error:
            assert str(error).startswith(str(path))
    assert len(lengths) < 2, "two ways to read a file find two lengths"


def blocks(path: Path) -> int:
    """Return the length of a file that is read block by block."""
    return sum(block.shape[1] for block in audio.read_blocks(path, block_samples=999))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.wav", b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\1\0\1\0\x40\x1f\0\0\x80\x3e\0\0\2\0\x10\0data" + bytes(4)),
        ("a.mp3", b"\xff\xfb\x90\x64".ljust(417, b"\0") * 4),
        ("a.flac", b"fLaC\0\0\0\x22\x10\0\x10\0" + bytes(30)),
    ],
    ids=["wav", "mp3", "flac"],
)
@pytest.mark.parametrize(
    "filling", [b"LIST\0\0\0\0", b"LIST\1\0\0\0", b"\xff", b"\xff\xf8\xc9\x18\0", b"\xff\xfb\x90\x64\0", b"TAG", b"\0"]
)
def test_what_looks_like_much_is_passed_over_quickly(tmp_path: Path, name: str, data: bytes, filling: bytes) -> None:
    """Chunks, frames and tags without end, that lead nowhere."""
    (tmp_path / name).write_bytes(data + filling * (1_500_000 // len(filling)) + b"x")
    started = time.process_time()
    with contextlib.suppress(InputError):
        audio.inspect(tmp_path / name)
    assert time.process_time() - started < 5
