"""The demo corpus: TIMIT's layout, the same bytes every time, and voices that can be told apart."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from sepvae import audio
from sepvae.corpora.demo import demo_prompts, demo_speakers, make_demo_corpus
from sepvae.corpora.records import Utterance, open_corpus
from sepvae.corpora.validate import validate
from sepvae.errors import ConfigError, MissingExtra, OutputError
from sepvae.files import hash_file

# The labels of TIMIT's phoncode.doc that are no closures.
TIMIT_PHONES = (
    "b d g p t k dx q jh ch s sh z zh f th v dh m n ng em en eng nx l r w y hh hv el iy ih eh ey ae aa aw ay ah ao oy "
    "ow uh uw ux er ax ix axr ax-h pau epi h#"
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo_corpus(tmp_path_factory.mktemp("demo") / "corpus")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_demo_corpus(tmp_path_factory.mktemp("small") / "corpus", speakers=4, jobs=1)


@pytest.fixture(scope="module")
def utterances(demo: Path) -> list[Utterance]:
    return list(open_corpus(demo).utterances())


def hashes(folder: Path) -> dict[str, str]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hash_file(path) for path in files}


def test_it_is_read_as_timit_without_a_problem(demo: Path, utterances: list[Utterance]) -> None:
    corpus = open_corpus(demo)
    assert corpus.name == "timit"
    assert not validate(corpus).problems
    assert len(utterances) == 160
    speakers = {u.speaker: u for u in utterances}
    assert sum(u.sex == "female" for u in speakers.values()) == 8 == sum(u.sex == "male" for u in speakers.values())
    for split in ("train", "test"):
        assert {u.sex for u in utterances if u.split == split} == {"female", "male"}
    assert (
        len(
            {u.speaker for u in utterances if u.split == "train"} & {u.speaker for u in utterances if u.split == "test"}
        )
        == 0
    )


def test_the_layout_is_the_ldc_s(demo: Path) -> None:
    names = {path.name for path in (demo / "TRAIN/DR1/FANO0").iterdir()}
    assert {"SA1.WAV", "SA1.TXT", "SA1.WRD", "SA1.PHN", "SX1.WAV", "SI1.WAV"} <= names
    assert len(names) == 40
    assert (demo / "TRAIN/DR1/FANO0/SA1.WAV").read_bytes().startswith(b"NIST_1A\n   1024\n")
    info = audio.inspect(demo / "TRAIN/DR1/FANO0/SA1.WAV")
    assert (info.sample_rate, info.n_channels, info.subtype) == (16000, 1, "PCM_16")
    assert "ANO0  F    1   TRN" in (demo / "DOC/SPKRINFO.TXT").read_text()


def test_alignments_tile_the_audio(utterances: list[Utterance]) -> None:
    for u in utterances:
        assert u.phones[0].start == 0
        assert u.phones[0].label == u.phones[-1].label == "h#"
        assert u.phones[-1].stop == u.n_samples
        assert all(a.stop == b.start for a, b in zip(u.phones, u.phones[1:], strict=False))
        assert all(0 < w.start < w.stop < u.n_samples for w in u.words)
        assert len(u.words) == len(str(u.text).split())


def test_words_are_those_of_the_text_and_phones_those_of_timit(utterances: list[Utterance]) -> None:
    for u in utterances:
        assert [word.label for word in u.words] == [word.strip(".,?").lower() for word in str(u.text).split()]
        assert all(entry.start < entry.stop for entry in (*u.words, *u.phones))
        assert {phone.label for phone in u.phones} <= set(TIMIT_PHONES.split())


def test_nothing_is_clipped_and_all_voices_are_equally_loud(demo: Path, utterances: list[Utterance]) -> None:
    waves: dict[str, list[np.ndarray]] = {}
    for u in utterances:
        waves.setdefault(u.speaker, []).append(audio.read(demo / u.path).wave[0])
    for parts in waves.values():
        wave = np.concatenate(parts)
        assert 0.3 < np.abs(wave).max() < 0.9
        assert abs(20 * np.log10(np.sqrt(np.mean(wave**2))) + 24) < 1


def test_sentences_last_two_to_four_seconds(utterances: list[Utterance]) -> None:
    assert all(2 <= (u.words[-1].stop - u.words[0].start) / u.sample_rate <= 4 for u in utterances)


def test_words_are_where_the_sound_is(demo: Path, utterances: list[Utterance]) -> None:
    for u in utterances[::20]:
        wave = audio.read(demo / u.path).wave[0]
        assert np.abs(wave[: u.words[0].start]).max() < 0.01
        assert np.abs(wave[u.words[0].start : u.words[-1].stop]).max() > 0.05


def test_only_the_sa_sentences_are_shared() -> None:
    said: dict[str, set[str]] = {}
    for prompt in demo_prompts():
        said.setdefault(prompt.text, set()).add(prompt.speaker.id)
        assert (len(said[prompt.text]) > 1) <= prompt.name.startswith("SA")
    assert len(said) == 2 + 16 * 8


def test_voices_can_be_told_apart(demo: Path, utterances: list[Utterance]) -> None:
    pitch: dict[str, list[float]] = {"female": [], "male": []}
    for speaker in demo_speakers():
        u = next(u for u in utterances if u.speaker == speaker.id)
        pitch[u.sex].append(median_pitch_hz(audio.read(demo / u.path).wave[0]))
    assert min(pitch["female"]) > 1.05 * max(pitch["male"])
    for voices in pitch.values():
        assert max(voices) > 1.3 * min(voices)
    assert len({(s.voice.name, s.voice.rate, s.voice.pitch) for s in demo_speakers()}) == 16


def median_pitch_hz(wave: np.ndarray) -> float:
    """Return the median pitch of the loud frames, from the peak of the autocorrelation between 70 and 350 Hz."""
    frames = np.lib.stride_tricks.sliding_window_view(wave, 1024)[::512]
    frames = frames[np.std(frames, axis=1) > np.std(wave)]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(1024), 4096)) ** 2
    correlation = np.fft.irfft(spectrum)[:, 16000 // 350 : 16000 // 70]
    return float(np.median(16000 / (16000 // 350 + correlation.argmax(1))))


def test_the_same_bytes_every_time(small: Path, tmp_path: Path) -> None:
    code = "import sys; from sepvae.corpora.demo import *; make_demo_corpus(sys.argv[1], speakers=4, jobs=3)"
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a")], check=True, capture_output=True)
    assert hashes(tmp_path / "a") == hashes(small)


def test_a_smaller_corpus_is_part_of_the_larger(demo: Path, small: Path) -> None:
    whole = hashes(demo)
    assert all(whole[name] == value for name, value in hashes(small).items() if not name.startswith("DOC"))


def test_other_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="holds no demo corpus: choose another folder"):
        make_demo_corpus(tmp_path, speakers=4)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_demo_corpus_is_replaced_but_not_what_was_put_beside_it(demo: Path, tmp_path: Path) -> None:
    folder = tmp_path / "corpus"
    shutil.copytree(demo / "DOC", folder / "DOC")
    shutil.copy(demo / "README.TXT", folder)
    (folder / "my results").mkdir()
    with pytest.raises(OutputError, match=r"holds more than a demo corpus \(my results\): move that away"):
        make_demo_corpus(folder, speakers=4)
    (folder / "my results").rmdir()
    (folder / "README.TXT").write_bytes(b"\xff\xfe")
    with pytest.raises(OutputError, match="holds no demo corpus: choose another folder"):
        make_demo_corpus(folder, speakers=4)


def test_the_current_folder_can_be_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    make_demo_corpus(".", speakers=4)
    assert (tmp_path / "TRAIN/DR1/FANO0/SA1.WAV").is_file()


@pytest.mark.parametrize("speakers", [0, 3, 17])
def test_impossible_numbers_of_speakers(tmp_path: Path, speakers: int) -> None:
    with pytest.raises(ConfigError, match=f"{speakers} speakers: the demo corpus has 4 to 16"):
        make_demo_corpus(tmp_path / "x", speakers=speakers)


def test_without_the_extra(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(MissingExtra, match=r"pip install 'sepvae\[demo\]'"):
        make_demo_corpus(tmp_path / "x", speakers=4)
    assert not (tmp_path / "x").exists()
