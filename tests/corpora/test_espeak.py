"""espeak-ng's reports become words and phones, and what can go wrong with it is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sepvae.corpora.espeak import EspeakEvent, EspeakVoice, Segment, segment, speak, words
from sepvae.corpora.records import Interval
from sepvae.errors import ConfigError, MissingExtra, OutputError

LABELS = {"I": "ih", "n": "n", "D": "dh", "@2": "ax", "p": "p", "A@": "aa", "k": "k", ";": ""}


def word(sample: int, character: int) -> EspeakEvent:
    return EspeakEvent("word", sample, character, "")


def phone(sample: int, mnemonic: str) -> EspeakEvent:
    return EspeakEvent("phone", sample, 0, mnemonic)


# "In the park.", with the two first words reported as one, and a closure of 20 samples before the p.
IN_THE_PARK = [word(0, 1), phone(10, "I"), phone(30, "n"), phone(50, "D"), phone(60, "@2"), word(80, 8)]
IN_THE_PARK += [phone(100, "p"), phone(110, "'A@"), phone(150, "k"), phone(150, ";"), phone(180, "_:"), phone(190, "_")]


def test_segments_tile_and_a_word_begins_with_its_closure() -> None:
    segments = segment(IN_THE_PARK, "In the park.", 200, LABELS)
    assert [(s.start, s.stop, s.label) for s in segments] == [
        (0, 30, "ih"),
        (30, 50, "n"),
        (50, 60, "dh"),
        (60, 80, "ax"),
        (80, 110, "p"),
        (110, 150, "aa"),
        (150, 180, "k"),
        (180, 200, "h#"),
    ]


def test_words_spoken_as_one_are_parted_at_a_phone() -> None:
    found = words(segment(IN_THE_PARK, "In the park.", 200, LABELS), "In the park.")
    assert found == (Interval(0, 50, "in"), Interval(50, 80, "the"), Interval(80, 180, "park"))


def test_a_report_inside_a_word_belongs_to_that_word() -> None:
    events = [word(0, 1), phone(0, "I"), word(20, 2), phone(20, "n")]
    assert words(segment(events, "In.", 40, LABELS), "In.") == (Interval(0, 40, "in"),)


def test_pauses_are_named_by_their_place_and_end_words() -> None:
    events = [phone(0, "_"), word(5, 1), phone(5, "I"), phone(20, "_:"), phone(30, "_"), word(40, 5), phone(42, "n")]
    segments = segment(events, "It, no", 60, LABELS)
    assert segments == [
        Segment(0, 5, "h#", -1),
        Segment(5, 20, "ih", 0),
        Segment(20, 40, "pau", -1),
        Segment(40, 60, "n", 1),
    ]
    assert words(segments, "It, no") == (Interval(5, 20, "it"), Interval(40, 60, "no"))


def test_silence_is_added_before_a_late_first_phone_and_no_length_is_no_segment() -> None:
    segments = segment([phone(10, "n"), phone(30, "k"), phone(30, "p")], "x", 50, LABELS)
    assert [(s.start, s.stop, s.label) for s in segments] == [(0, 10, "h#"), (10, 30, "n"), (30, 50, "p")]


def test_unlisted_mnemonics_are_their_own_label() -> None:
    assert segment([phone(0, ",Q3")], "x", 9, LABELS)[0].label == "Q3"


def test_speech_depends_on_text_voice_and_seed_alone() -> None:
    breathy = EspeakVoice("en-us+f2", rate=300)
    first = speak("Yes.", breathy, labels={}, seed=1)
    speak("Something quite different.", EspeakVoice("en+m1", rate=300), labels={}, seed=2)
    again = speak("Yes.", breathy, labels={}, seed=1)
    other = speak("Yes.", breathy, labels={}, seed=2)
    assert np.array_equal(first.wave, again.wave)
    assert first.wave.shape == other.wave.shape
    assert not np.array_equal(first.wave, other.wave)
    assert (first.words, first.phones) == (again.words, again.phones)


def test_an_unknown_voice_is_named() -> None:
    with pytest.raises(ConfigError, match="espeak-ng has no voice 'xx-none': choose another voice or text"):
        speak("Yes.", EspeakVoice("xx-none"), labels={})


def test_an_unknown_variant_is_named_with_the_choices() -> None:
    with pytest.raises(ConfigError, match=r"no variant 'f99' for the voice 'en-us\+f99': it has .*\bf1\b.*\bm1\b"):
        speak("Yes.", EspeakVoice("en-us+f99"), labels={})


def test_a_text_without_words_is_named() -> None:
    with pytest.raises(OutputError, match=r"said nothing for '\.\.\.' with the voice en-us: check the text"):
        speak("...", EspeakVoice("en-us"), labels={})


def test_a_library_that_does_not_load_is_a_missing_extra(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import espeakng_loader

    library = tmp_path / "libespeak-ng.so"
    monkeypatch.setattr(espeakng_loader, "get_library_path", lambda: str(library))
    with pytest.raises(MissingExtra, match=r"no libespeak-ng\.so in .*: pip install 'sepvae\[demo\]'"):
        speak("Yes.", EspeakVoice("en-us"), labels={})
    library.write_bytes(b"not a library")
    with pytest.raises(MissingExtra, match=r"needs the optional extra 'demo' \(.*libespeak-ng\.so"):
        speak("Yes.", EspeakVoice("en-us"), labels={})


def test_a_crash_is_told_with_its_code(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    worker = tmp_path / "worker.py"
    worker.write_text("import sys; sys.stderr.write('out of luck'); sys.exit(9)")
    monkeypatch.setattr("sepvae.corpora.espeak._WORKER", worker)
    with pytest.raises(OutputError, match=r"espeak-ng stopped with code 9 \(out of luck\)"):
        speak("Yes.", EspeakVoice("en-us"), labels={})
