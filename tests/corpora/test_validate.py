"""What a check of a corpus finds: one defect at a time, and the real recordings."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sepvae import audio
from sepvae.corpora import validate
from sepvae.corpora.records import Problem, Utterance, open_corpus
from sepvae.corpora.sound import scan
from sepvae.corpora.validate import MEANINGS, ValidationReport
from sepvae.errors import InputError
from sepvae.files import to_json
from sepvae.progress import listening

VICTIM = "TRAIN/DR1/FCJF0/SA1.WAV"


@pytest.fixture
def timit(tmp_path: Path, make_timit: Callable) -> Path:
    return make_timit(tmp_path, riff=True)


def check(root: Path) -> ValidationReport:
    return validate.validate(open_corpus(root))


def codes(report: ValidationReport) -> list[tuple[str, str]]:
    return [(problem.code, problem.item) for problem in report.problems]


def rewrite(root: Path, wave: np.ndarray, rate: int = 16000, subtype: str = "pcm16") -> None:
    audio.write(root / VICTIM, wave, sample_rate=rate, subtype=subtype)


def test_a_sound_corpus(timit: Path) -> None:
    report = check(timit)
    assert report.ok and report.problems == ()
    assert report.counts == {
        "utterances": 6, "speakers": 3, "duration_s": 1.2, "sexes": {"female": 2, "male": 1},
        "splits": {"test": {"utterances": 2, "speakers": 1, "duration_s": 0.4},
                   "train": {"utterances": 4, "speakers": 2, "duration_s": 0.8}},
        "sample_rates_hz": {"16000": 6}, "with_text": 6, "with_words": 6, "with_phones": 6,
    }  # fmt: skip
    assert report.text() == (
        f"timit corpus in {timit}\n"
        "  6 utterances, 3 speakers, 0.0 minutes (2 female, 1 male; 16000 Hz)\n"
        "  test: 2 utterances, 1 speakers, 0.0 minutes\n"
        "  train: 4 utterances, 2 speakers, 0.0 minutes\n"
        "  utterances with text 6, words 6, phones 6\n\n0 errors, 0 warnings"
    )


def test_the_real_sample(corpora: Path) -> None:
    report = check(corpora / "timit-sample")
    assert report.ok and report.problems == () and report.counts["utterances"] == 120


def test_a_real_copy_that_went_through_a_program_for_text(corpora: Path) -> None:
    report = check(corpora / "timit-damaged")
    # Of what lost a byte the clicks are not named too.
    assert Counter(problem.code for problem in report.problems) == {"shifted_bytes": 6, "text_mode": 4}
    assert report.problems[0].message == (
        "dr5-mbgt0/sa1.wav: noise from about sample 33920 on, where a byte was lost: copy the file again"
    )


def test_real_books(corpora: Path) -> None:
    report = check(corpora / "librispeech-sample")
    assert report.ok and report.counts["splits"]["test-other"]["speakers"] == 6
    # It has no transcripts: one problem for each chapter.
    found = Counter(problem.code for problem in report.problems)
    assert found.keys() == {"missing_text", "dc_offset"} and found["missing_text"] == report.counts["speakers"]


def test_missing_and_broken_files_of_the_reader_are_in_the_report(timit: Path) -> None:
    (timit / VICTIM).unlink()
    broken = timit / "TRAIN/DR1/FCJF0/SX9.WAV"
    broken.write_bytes(broken.read_bytes()[:-10])
    report = check(timit)
    assert codes(report) == [("broken", "TRAIN/DR1/FCJF0/SX9.WAV"), ("missing_audio", VICTIM)]
    assert not report.ok and report.counts["utterances"] == 4


def test_nothing_readable_is_a_report_not_an_exception(timit: Path) -> None:
    for path in timit.rglob("*.WAV"):
        path.write_bytes(b"")
    report = check(timit)
    assert report.problems[0].code == "no_utterances" and "6 audio files were left out" in report.problems[0].message
    assert Counter(problem.code for problem in report.problems) == {"no_utterances": 1, "broken": 6}
    assert "0 utterances, 0 speakers, 0.0 minutes (none; no audio)" in report.text()


def test_a_folder_without_anything_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no utterances found, expected TRAIN"):
        validate.validate(open_corpus(tmp_path, "timit"))


@pytest.mark.parametrize(
    ("wave", "subtype", "code", "message"),
    [
        (np.zeros(3200), "pcm16", "silent", "silent (amplitude 0.0e+00, full scale is 1)"),
        (np.full(3200, 0.3), "pcm16", "silent", "silent (amplitude 0.0e+00"),
        (np.sin(np.arange(3200)) * 9e-4, "float", "silent", "silent (amplitude 9.0e-04"),
        (np.clip(np.sin(np.arange(3200) / 9) * 2, -1, 1), "pcm16", "clipped", "samples in a row at its largest"),
        (np.clip(np.sin(np.arange(3200) / 9) * 2, -1, 1) / 5, "pcm16", "clipped", "clipped ("),
        (np.minimum(np.sin(np.arange(3200) / 9), 0.8), "float", "clipped", "clipped ("),
        (0.1 * np.sin(np.arange(3200)) + 0.2, "pcm16", "dc_offset", "constant offset of 0.2 (94% of its RMS)"),
    ],
    ids=["zeros", "constant", "faint", "clipped", "clipped-and-scaled", "clipped-above", "offset"],
)
def test_audio_defects(timit: Path, wave: np.ndarray, subtype: str, code: str, message: str) -> None:
    rewrite(timit, wave.astype(np.float32), subtype=subtype)
    report = check(timit)
    assert codes(report) == [(code, VICTIM)]
    assert report.problems[0].message.startswith(f"{VICTIM}: ") and message in report.problems[0].message
    assert report.ok is (code != "silent")


def test_loud_speech_and_one_sided_waves_are_not_clipped(tmp_path: Path, speech: Callable) -> None:
    loud = speech("loud")
    audio.write(tmp_path / "loud.wav", loud / np.abs(loud).max(), sample_rate=16000, subtype="pcm16")
    assert not scan(tmp_path / "loud.wav").clipped
    audio.write(tmp_path / "pulses.wav", np.maximum(speech("x"), 0), sample_rate=16000)
    assert not scan(tmp_path / "pulses.wav").clipped


@pytest.mark.parametrize(("run", "clipped"), [(2, False), (3, True)])
def test_three_samples_on_the_extreme_are_clipping(tmp_path: Path, speech: Callable, run: int, clipped: bool) -> None:
    wave = speech("x")
    wave[100 : 100 + run] = -0.95
    audio.write(tmp_path / "x.wav", wave, sample_rate=16000)
    assert scan(tmp_path / "x.wav").clipped is clipped


def test_the_same_samples_at_another_rate_are_other_audio(tmp_path: Path, speech: Callable) -> None:
    for rate in (8000, 16000):
        audio.write(tmp_path / f"{rate}.wav", speech("x"), sample_rate=rate)
    assert scan(tmp_path / "8000.wav").digest != scan(tmp_path / "16000.wav").digest


def test_nan_is_broken(timit: Path) -> None:
    import soundfile

    wave = np.full(3200, 0.1, np.float32)
    wave[77] = np.nan
    soundfile.write(timit / VICTIM, wave, 16000, subtype="FLOAT")
    report = check(timit)
    assert codes(report) == [("broken", VICTIM)] and "sample 77 is NaN or infinite" in report.problems[0].message


def test_channels_rate_and_length(timit: Path, speech: Callable) -> None:
    rewrite(timit, np.stack([speech("a"), speech("b")]))
    audio.write(timit / "TEST/DR1/FELC0/SA1.WAV", speech("c"), sample_rate=8000, subtype="pcm16")
    audio.write(timit / "TRAIN/DR2/MARC0/SA1.WAV", speech("d", 1600 - 1), sample_rate=16000, subtype="pcm16")
    for ending in ("WRD", "PHN"):
        (timit / f"TRAIN/DR2/MARC0/SA1.{ending}").write_text("0 1599 x\n")
    report = check(timit)
    assert [(problem.code, problem.message) for problem in report.problems] == [
        ("channels", f"{VICTIM}: has 2 channels, expected one"),
        ("sample_rate", "TEST/DR1/FELC0/SA1.WAV: sampled at 8000 Hz, most of the rest at 16000 Hz"),
        ("short", "TRAIN/DR2/MARC0/SA1.WAV: lasts 99.9 ms"),
    ]


def test_a_corpus_resampled_as_a_whole_is_one_warning(timit: Path, speech: Callable) -> None:
    for path in timit.rglob("*.WAV"):
        audio.write(path, speech(path.name + path.parent.name), sample_rate=8000, subtype="pcm16")
    report = check(timit)
    assert report.ok and codes(report) == [("unusual_sample_rate", "timit")]
    assert report.problems[0].message == "sampled at 8000 Hz, the published corpus at 16000 Hz"


def test_the_same_audio_twice_in_any_format(timit: Path) -> None:
    copy = timit / "TRAIN/DR1/FCJF0/SX9.WAV"
    audio.write(copy.with_suffix(".flac"), audio.read(timit / VICTIM).wave, sample_rate=16000, subtype="pcm16")
    copy.unlink()
    shutil.copy(timit / VICTIM, timit / "TEST/DR1/FELC0/SX9.WAV")
    report = check(timit)
    assert [(problem.code, problem.message) for problem in report.problems] == [
        ("audio_leak", f"TEST/DR1/FELC0/SX9.WAV (test): same audio as {VICTIM} (train)"),
        ("duplicate_audio", f"TRAIN/DR1/FCJF0/SX9.flac: same audio as {VICTIM}"),
    ]


def test_a_speaker_in_two_splits(timit: Path, make_timit: Callable) -> None:
    make_timit(timit, ("TEST/DR1/FCJF0",), sentences=("SI1",), riff=True, table=False)
    report = check(timit)
    assert codes(report) == [("speaker_leak", "FCJF0"), ("split_mismatch", "FCJF0")]
    assert report.problems[0].message == "FCJF0: in test (1 utterances) and train (2 utterances)"


def test_a_copied_speaker_leaks_speaker_and_audio(timit: Path) -> None:
    shutil.copytree(timit / "TRAIN/DR1/FCJF0", timit / "TEST/DR1/FCJF0")
    assert Counter(code for code, _ in codes(check(timit))) == {
        "speaker_leak": 1, "audio_leak": 2, "duplicate_id": 2, "split_mismatch": 1,
    }  # fmt: skip


def test_alignments(timit: Path) -> None:
    folder = timit / "TRAIN/DR1/FCJF0"
    (folder / "SA1.WRD").write_text("0 3202 slightly\n")
    (folder / "SA1.PHN").write_text("0 3203 far\n3300 3400 farther\n")
    (folder / "SX9.WRD").write_text("-4 100 before\n500 500 nothing\n")
    report = check(timit)
    assert [(problem.code, problem.message) for problem in report.problems] == [
        ("alignment_outside", f"{VICTIM}: phone 'far' spans samples 0 to 3203, the audio has 3200 (and 1 more)"),
        (
            "alignment_outside",
            "TRAIN/DR1/FCJF0/SX9.WAV: word 'before' spans samples -4 to 100, the audio has 3200",
        ),
        (
            "alignment_reversed",
            "TRAIN/DR1/FCJF0/SX9.WAV: word 'nothing' spans samples 500 to 500, the audio has 3200",
        ),
        ("alignment_overhang", f"{VICTIM}: word 'slightly' spans samples 0 to 3202, the audio has 3200"),
    ]


class FakeTimit:
    """A corpus of one file under many names, for counts that a test cannot write to disk."""

    name = "timit"
    layout = ""

    def __init__(self, root: Path, n_train: int, n_test: int) -> None:
        self.root, self.problems = root, list[Problem]()
        self.sizes = {"train": n_train, "test": n_test}

    def utterances(self) -> Iterator[Utterance]:
        for split, n_speakers in self.sizes.items():
            for number in range(10 * n_speakers):
                speaker = f"{split}{number // 10}"
                yield Utterance(f"{speaker}_{number}", "x.wav", speaker, "female", split, 16000, 3200)


@pytest.mark.parametrize(
    ("n_train", "n_test", "message"),
    [
        (462, 168, None),
        (20, 10, None),
        (
            461,
            168,
            "4610 train and 1680 test files of 629 speakers; the full LDC93S1 has 4620 and 1680 of 630",
        ),
    ],
)
def test_a_full_timit_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write_wav: Callable, n_train: int, n_test: int, message: str | None
) -> None:
    sound = scan(write_wav(tmp_path / "x.wav"))
    monkeypatch.setattr(validate, "scan", lambda _: sound)
    report = validate.validate(FakeTimit(tmp_path, n_train, n_test))  # type: ignore[arg-type]
    found = [problem.message for problem in report.problems if problem.code == "incomplete_copy"]
    assert found == ([message] if message else [])


def test_json_and_text_say_the_same(timit: Path) -> None:
    for path in timit.rglob("*.TXT"):
        if path.name != "SPKRINFO.TXT":
            path.unlink()
    rewrite(timit, np.zeros(3200, np.float32))
    report = check(timit)
    value = json.loads(to_json(report.to_json()))
    assert (value["corpus"], value["root"], value["ok"]) == ("timit", str(timit), False)
    assert value["counts"] == report.counts
    assert value["problems"][0] == {
        "code": "silent", "item": VICTIM, "severity": "error",
        "message": f"{VICTIM}: silent (amplitude 0.0e+00, full scale is 1)",
    }  # fmt: skip
    assert len(value["problems"]) == 7 and {one["severity"] for one in value["problems"][1:]} == {"warning"}
    text = report.text(limit=4)
    assert "error: silence (silent, 1)" in text and "warning: no text (missing_text, 6)" in text
    assert text.count("missing beside its audio") == 4 and "  ... and 2 more" in text
    assert text.endswith("1 errors, 6 warnings")


def test_two_runs_agree_and_report_progress(timit: Path) -> None:
    rewrite(timit, np.zeros(3200, np.float32))
    seen: dict[str, list[int]] = {}
    with listening(lambda event: seen.setdefault(event.job.description, []).append(event.job.done)):
        first = validate.validate(open_corpus(timit))
    steps = [0, 1, 2, 3, 4, 5, 6, 6]
    assert seen == {"reading headers": steps, "validate": steps}
    assert check(timit).to_json() == first.to_json()


def test_the_samples_of_each_file_are_read_once(timit: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read_blocks, seen = audio.read_blocks, Counter[str]()

    def counting(path: Path) -> Iterator[audio.Wave]:
        seen[path.relative_to(timit).as_posix()] += 1
        return read_blocks(path)

    monkeypatch.setattr(audio, "read_blocks", counting)
    check(timit)
    assert set(seen.values()) == {1} and len(seen) == 6


def test_every_code_that_a_reader_uses_has_a_meaning() -> None:
    folder = Path(validate.__file__).parent
    sources = "\n".join(path.read_text() for path in folder.glob("*.py") if path.name != "validate.py")
    sources += (folder / "validate.py").read_text().replace(str(MEANINGS), "")
    used = {*re.findall(r'Problem\(\s*"(\w+)"', sources), *re.findall(r'"(missing_\w+)"\)', sources)}
    used |= {*re.findall(r'(?:code = |_misplaced\()"(\w+)"', sources), "alignment_outside"}
    assert used == MEANINGS.keys()


@given(st.lists(st.integers(-3, 3), min_size=1, max_size=40), st.integers(1, 2))
def test_extremes_agree_with_a_plain_search(values: list[int], n_channels: int) -> None:
    from itertools import groupby

    from sepvae.corpora.sound import Extreme

    extreme = Extreme()
    extreme.update(np.tile(np.array(values, np.float32), (n_channels, 1)))
    assert extreme.value == max(values)
    assert extreme.run == max(len(list(same)) for value, same in groupby(values) if value == max(values))


def test_extremes_over_blocks_keep_the_larger() -> None:
    from sepvae.corpora.sound import Extreme

    extreme = Extreme()
    for block, expected in (([1, 1, 0], 2), ([0, 0, 0], 2), ([1, 1, 1], 3), ([2, 0, 2], 1), ([1, 1, 1], 1)):
        extreme.update(np.array([block], np.float32))
        assert extreme.run == expected
