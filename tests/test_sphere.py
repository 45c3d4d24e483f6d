"""SPHERE headers: written as the LDC writes them, and any bytes read without surprise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import audio, sphere
from sepvae.errors import InputError

FIELDS = (
    "channel_count -i 1\nsample_count -i 10\nsample_rate -i 16000\nsample_n_bytes -i 2\nsample_byte_format -s2 01\n"
)


def header(fields: str = FIELDS, size: int = 1024) -> bytes:
    return f"NIST_1A\n{size:7d}\n{fields}end_head\n".encode("latin-1").ljust(size)


def write(path: Path, samples: np.ndarray, **names: str) -> None:
    sphere.write_pcm16(path, samples, 16000, **{"database": "demo", "utterance": "a_b", **names})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    samples = np.array([0, 1, -1, 32767, -32768], np.int16)
    write(tmp_path / "a.wav", samples)
    found = sphere.read_header(tmp_path / "a.wav")
    assert (found.n_bytes, found.data_bytes, found.coding) == (1024, 10, "pcm")
    assert found.fields["utterance_id"] == "a_b" and found.fields["sample_min"] == -32768
    wave, rate = audio.read(tmp_path / "a.wav")
    assert rate == 16000 and np.array_equal(wave[0] * 32768, samples)
    assert audio.inspect(tmp_path / "a.wav").container == "NIST"


@pytest.mark.parametrize("n_samples", [0, 1])
def test_hardly_any_samples(tmp_path: Path, n_samples: int) -> None:
    write(tmp_path / "a.wav", np.zeros(n_samples, np.int16))
    assert audio.read(tmp_path / "a.wav").wave.shape == (1, n_samples)


@pytest.mark.parametrize("name", ["x" * 2000, "Käthe"])
def test_names_that_do_not_fit_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"a.wav: names in a SPHERE header are short ASCII, received 'demo' and"):
        write(tmp_path / "a.wav", np.zeros(1, np.int16), utterance=name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"NIST_1A", r"damaged SPHERE header \(no header size on its second line\)"),
        (header()[:900], r"truncated SPHERE header: copy the file again"),
        (header().replace(b"end_head", b"        "), r"truncated SPHERE header"),
        (b"NIST_1A\n   1o24\n" + b" " * 1024, r"no header size on its second line"),
        (b"NIST_1A\n     -1\n" + b" " * 1024, r"declares a header of -1 bytes"),
        (b"NIST_1A\n9999999\n" + b" " * 1024, r"declares a header of 9999999 bytes"),
        (header(FIELDS.replace("-i 10", "-i ten")) + bytes(20), r"field sample_count is 'ten'"),
        (header(f"sample_count -i {'9' * 6000}\n", 8192), r"field sample_count is '9999.*\.\.\..*999'"),
    ],
)
def test_damaged_headers_are_named(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "a.wav"
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"a.wav: .*{words}") as caught:
        audio.inspect(path)
    assert len(str(caught.value)) < 300


def test_missing_audio_is_counted(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(header() + bytes(13))
    with pytest.raises(InputError, match=r"a.wav: truncated: 7 bytes of audio are missing; copy the file again"):
        audio.read(tmp_path / "a.wav")


@pytest.mark.parametrize("coding", ["pcm,embedded-shorten-v2.00", "pcm,embedded-wavpack-v1", "shorten"])
def test_compressed_sphere_names_the_tool_that_expands_it(tmp_path: Path, coding: str) -> None:
    (tmp_path / "a.wav").write_bytes(header(f"{FIELDS}sample_coding -s{len(coding)} {coding}\n") + bytes(20))
    with pytest.raises(InputError, match=rf"SPHERE with {coding} compression cannot be read: expand it .*sph2pipe"):
        audio.inspect(tmp_path / "a.wav")


@given(data=st.binary(max_size=300) | st.binary(max_size=200).map(lambda tail: header()[:60] + tail))
def test_any_bytes_parse_or_are_refused(data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.sph"
    path.write_bytes(b"NIST_1A\n" + data)
    try:
        found = sphere.read_header(path)
    except InputError:
        return
    assert found.n_bytes <= len(data) + 8


@given(fields=st.text(st.characters(codec="latin-1"), max_size=200))
def test_any_fields_parse_or_are_refused(fields: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.getbasetemp() / "fields.sph"
    path.write_bytes(header(FIELDS + fields + "\n") + bytes(20))
    try:
        audio.read(path)
    except InputError as error:
        assert "fields.sph" in str(error)
