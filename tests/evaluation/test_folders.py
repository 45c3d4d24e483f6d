"""Every item of two folders has a row with a value or a reason, whatever is wrong with some of the files."""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sepvae import audio
from sepvae.cli import main
from sepvae.evaluation import LAYOUTS, MEASURES, many
from sepvae.evaluation.failures import count_failures
from sepvae.evaluation.folders import ItemFiles
from sepvae.evaluation.rows import ScoreRow, read_rows, write_rows
from sepvae.evaluation.unusable import UNUSABLE
from sepvae.outputs import OutputList

from ..places import needs_links, needs_permissions, place_for_all, without_rights
from .two_folders import RATE, item_waves, write

N_SAMPLES, SOURCES, ITEMS = 2000, ("female", "male"), ("it0", "it1", "it2")


def rewrite(path: Path, change: Callable[[Any], Any], rate: int = RATE) -> None:
    import soundfile

    wave = change(audio.read(path).wave)
    soundfile.write(path, wave.T, rate, subtype="FLOAT")


def with_nan(wave: Any) -> Any:
    wave[0, 100] = np.nan
    return wave


# What can be wrong with a file, and the reason that is given for it behind the role of the file.
FAULTS: dict[str, tuple[Callable[[Path], object], str]] = {
    "short": (lambda path: rewrite(path, lambda wave: wave[:, :-1]), "length"),
    "long": (lambda path: rewrite(path, lambda wave: np.pad(wave, ((0, 0), (0, 7)))), "length"),
    "nan": (lambda path: rewrite(path, with_nan), "not_finite"),
    "stereo": (lambda path: rewrite(path, lambda wave: np.vstack([wave, wave])), "channels"),
    "rate": (lambda path: rewrite(path, lambda wave: wave, rate=2 * RATE), "sample_rate"),
    "empty": (lambda path: path.write_bytes(b""), "unreadable"),
    "text": (lambda path: path.write_text("no audio"), "unreadable"),
    "missing": (lambda path: path.unlink(), "missing"),
}


def folders(
    root: Path, *, mixture: bool = True, layout: str = "item/source", numbered: bool = False
) -> tuple[Path, Path]:
    """Write three items of two sources, and estimates; numbered ones are in the other order."""
    truth, found = {}, {}
    for number, item in enumerate(ITEMS):
        waves, estimates = item_waves(number, SOURCES, N_SAMPLES)
        truth[item] = waves | ({"mixture": sum(waves.values())} if mixture else {})  # type: ignore[dict-item]
        names = dict(zip(SOURCES, ("talker_2", "talker_1"), strict=True)) if numbered else {s: s for s in SOURCES}
        found[item] = {names[source]: wave for source, wave in estimates.items()}
    return write(root / "ref", layout, truth), write(root / "est", "item/source", found)


def evaluate(references: Path, estimates: Path, table: Path, *more: str) -> int:
    command = ["evaluate", "--references", references, "--estimates", estimates, "-o", table, "-j", "1", "-q"]
    return main([*map(str, command), "--measures", "si_sdr,si_sdr_improvement", *more])


def by_item(table: Path) -> dict[tuple[str, str], ScoreRow]:
    return {(row.item, row.source): row for row in read_rows(table)}


@settings(max_examples=25, deadline=None)
@given(
    bad=st.dictionaries(
        st.sampled_from([f"{i}/{s}" for i in ITEMS for s in SOURCES]), st.sampled_from([*FAULTS]), max_size=4
    )
)
def test_bad_estimates_cost_no_score_but_their_own(bad: dict[str, str]) -> None:
    with TemporaryDirectory() as made:
        references, estimates = folders(Path(made))
        for name, fault in bad.items():
            FAULTS[fault][0](estimates / f"{name}.wav")
        table = Path(made) / "scores.csv"
        if len(bad) == len(ITEMS) * len(SOURCES) and set(bad.values()) == {"missing"}:
            return
        assert evaluate(references, estimates, table) == bool(bad)
        rows = by_item(table)
        assert set(rows) == {(item, source) for item in ITEMS for source in SOURCES}
        for (item, source), row in rows.items():
            fault = bad.get(f"{item}/{source}")
            if fault is None:
                assert row.values["si_sdr"] == pytest.approx(20, abs=0.5) and not row.reasons
            else:
                reason = f"estimate_{FAULTS[fault][1]}"
                assert math.isnan(row.values["si_sdr"]) and set(row.reasons.values()) == {reason} <= UNUSABLE
            assert row.estimate == ("" if fault == "missing" else source)


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize(("signal", "role"), [("male", "reference"), ("mixture", "mixture")])
def test_a_bad_reference_or_mixture_costs_its_item(fault: str, signal: str, role: str, tmp_path: Path) -> None:
    references, estimates = folders(tmp_path)
    FAULTS[fault][0](references / "it1" / f"{signal}.wav")
    assert evaluate(references, estimates, tmp_path / "scores.csv") == 1
    rows = by_item(tmp_path / "scores.csv")
    assert len(rows) == 6
    for (item, _), row in rows.items():
        if item != "it1":
            assert row.values["si_sdr"] == pytest.approx(20, abs=0.5)
            continue
        (reason,) = set(row.reasons.values())
        # A mixture of another length or rate makes its references the odd ones out.
        odd = role == "mixture" and fault in ("short", "long", "rate")
        assert reason == f"{'reference' if odd else role}_{FAULTS[fault][1]}"


@pytest.mark.parametrize("fault", ["short", "nan", "missing"])
def test_a_bad_reference_without_mixtures(fault: str, tmp_path: Path) -> None:
    references, estimates = folders(tmp_path, mixture=False)
    FAULTS[fault][0](references / "it1" / "male.wav")
    assert evaluate(references, estimates, tmp_path / "scores.csv") == 1
    rows = by_item(tmp_path / "scores.csv")
    assert {item for (item, _), row in rows.items() if row.reasons} == {"it1"} and len(rows) == 6


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("role", ["references", "estimates"])
def test_a_whole_item_that_is_missing(
    layout: str, role: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    references, estimates = folders(tmp_path, layout=layout)
    lost = references if role == "references" else estimates
    for path in lost.rglob("*.wav"):
        if "it1" in path.relative_to(tmp_path).with_suffix("").parts:
            path.unlink()
    assert evaluate(references, estimates, tmp_path / "scores.csv") == (role == "estimates")
    rows, told = by_item(tmp_path / "scores.csv"), capsys.readouterr().err
    if role == "references":
        assert len(rows) == 4 and "2 estimates have no reference, and are not scored: it1/female, it1/male" in told
    else:
        assert {reason for row in rows.values() for reason in row.reasons.values()} == {"estimate_missing"}
        assert len(rows) == 6 and "item 'it1': there is no estimate of female, male" in told


def test_a_failed_estimate_counts_in_the_mean_and_has_its_reason_in_the_row(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    references, estimates = folders(tmp_path)
    FAULTS["short"][0](estimates / "it1" / "male.wav")
    assert evaluate(references, estimates, tmp_path / "scores.csv", "--json") == 1
    found = json.loads(capsys.readouterr().out)["estimates"]["si_sdr"]
    assert (found["n_valid"], found["n_failed"], found["n_total"]) == (5, 1, 6)
    # Five of 20 dB, and the mixture's 0 dB.
    assert found["mean"] == pytest.approx(100 / 6, abs=0.5)


def test_numbered_estimates_are_scored_by_the_best_permutation(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    references, estimates = folders(tmp_path, numbered=True)
    assert evaluate(references, estimates, tmp_path / "scores.csv") == 0
    rows = by_item(tmp_path / "scores.csv")
    assert {(source, row.estimate) for (_, source), row in rows.items()} == {
        ("female", "talker_2"),
        ("male", "talker_1"),
    }
    assert all(row.values["si_sdr"] == pytest.approx(20, abs=0.5) for row in rows.values())
    assert "by its best permutation" in capsys.readouterr().err
    # What is given as fixed is not guessed.
    assert evaluate(references, estimates, tmp_path / "fixed.csv", "--permutation", "fixed") == 1
    assert {reason for row in read_rows(tmp_path / "fixed.csv") for reason in row.reasons.values()} == {
        "estimate_missing"
    }


def test_names_that_mean_something_else_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    references, estimates = folders(tmp_path)
    for path in list(estimates.rglob("*.wav")):
        path.rename(path.with_stem({"female": "f", "male": "m"}[path.stem]))
    assert evaluate(references, estimates, tmp_path / "scores.csv") == 1
    assert (
        "the sources are female, male, the estimates f, m: rename them, or give --permutation"
        in capsys.readouterr().err
    )
    assert evaluate(references, estimates, tmp_path / "scores.csv", "--permutation", "best") == 0
    assert {row.estimate for row in read_rows(tmp_path / "scores.csv")} == {"f", "m"}


@settings(max_examples=12, deadline=None)
@given(n_found=st.integers(1, 4), seed=st.integers(0, 5), bad=st.sampled_from([None, "nan", "short", "text"]))
def test_any_number_of_numbered_estimates(n_found: int, seed: int, bad: str | None) -> None:
    """More than sources: the others are named. Fewer: the sources without one have a reason."""
    truth, found = item_waves(seed, SOURCES, N_SAMPLES)
    order = np.random.default_rng(seed).permutation(n_found)
    extra = np.random.default_rng(99).standard_normal((4, N_SAMPLES)).astype(np.float32)
    waves = [*found.values(), *extra][:n_found]
    with TemporaryDirectory() as made:
        root = Path(made)
        write(root / "ref", "item/source", {"it": truth | {"mixture": sum(truth.values())}})  # type: ignore[dict-item]
        write(
            root / "est",
            "item/source",
            {"it": {f"talker_{place}": wave for place, wave in zip(order, waves, strict=True)}},
        )
        if bad is not None:
            FAULTS[bad][0](root / "est" / "it" / f"talker_{order[0]}.wav")
        code = evaluate(root / "ref", root / "est", root / "scores.csv")
        rows = by_item(root / "scores.csv")
        usable = {source: f"talker_{place}" for source, place in zip(SOURCES, order, strict=False)}
        assert code == (n_found < 2 or (bad is not None and n_found < 3))
        for source in SOURCES:
            row = rows["it", source]
            if source in usable and not (bad and source == SOURCES[0]):
                assert row.estimate == usable[source] and row.values["si_sdr"] == pytest.approx(20, abs=0.5)
            elif row.reasons:
                assert set(row.reasons.values()) <= UNUSABLE
            else:
                assert n_found > 2, "another estimate was left for it"


def test_an_item_too_short_to_be_ordered_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth, found = item_waves(0, SOURCES, 1000)
    write(tmp_path / "ref", "item/source", {"it": truth})
    write(tmp_path / "est", "item/source", {"it": dict(zip(("talker_1", "talker_2"), found.values(), strict=True))})
    assert evaluate(tmp_path / "ref", tmp_path / "est", tmp_path / "s.csv") == 1
    assert "1000 samples are too few to find the best permutation of 2 sources" in capsys.readouterr().err
    assert {reason for row in read_rows(tmp_path / "s.csv") for reason in row.reasons.values()} == {
        "too_short_to_order"
    }


def test_several_mixtures_have_to_be_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    references, estimates = folders(tmp_path, layout="source/item")
    (references / "mixture").rename(references / "mix_clean")
    assert evaluate(references, estimates, tmp_path / "scores.csv") == 0
    write(references, "source/item", {item: {"mix_both": np.zeros(N_SAMPLES, np.float32)} for item in ITEMS})
    assert evaluate(references, estimates, tmp_path / "more.csv") == 1
    assert "has several mixtures, mix_clean, mix_both: say which it is with --mixture" in capsys.readouterr().err


def test_names_that_no_table_can_hold_are_written_out(tmp_path: Path) -> None:
    references, estimates = folders(tmp_path)
    for folder in (references, estimates):
        (folder / "it1").rename(folder / "it\n\u3000\x07")
    assert evaluate(references, estimates, tmp_path / "scores.csv") == 0
    assert ("it\\n\\u3000\\x07", "male") in by_item(tmp_path / "scores.csv")


def test_a_table_that_cannot_be_written_is_refused_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    references, estimates = folders(tmp_path)
    monkeypatch.setattr("sepvae.evaluation.many.score_many", lambda *_, **__: pytest.fail("it was scored"))
    assert evaluate(references, estimates, tmp_path / "scores.txt") == 2
    assert evaluate(references, estimates, references / "it0" / "male.wav" / "scores.csv") == 1
    assert "scores are files in .csv or .json" in capsys.readouterr().err


def test_many_items_with_one_fault_are_not_told_one_by_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    waves = np.zeros((2, 600), np.float32)
    for number in range(30):
        for folder in ("ref", "est"):
            audio.write(tmp_path / folder / f"it{number}" / "female.wav", waves, sample_rate=RATE)
    assert evaluate(tmp_path / "ref", tmp_path / "est", tmp_path / "s.csv", "--layout", "item/source") == 1
    told = capsys.readouterr().err
    assert told.count("has 2 channels") == 20 and "10 more messages of this kind" in told
    assert len(read_rows(tmp_path / "s.csv")) == 30


def test_the_permutation_is_kept_in_both_kinds_of_tables(tmp_path: Path) -> None:
    rows = [
        ScoreRow("vae", "it", "male", {"si_sdr": 1.0}, {}, "talker_2"),
        ScoreRow("vae", "it", "female", {"si_sdr": math.nan}, {"si_sdr": "estimate_missing"}),
    ]
    for name in ("a.csv", "a.json"):
        write_rows(tmp_path / name, rows)
        assert repr(read_rows(tmp_path / name)) == repr(rows)
        # Without names a table is as it was.
        write_rows(tmp_path / name, rows[1:])
        assert "estimate" not in (tmp_path / name).read_text().replace("estimate_missing", "")
    assert [row.estimate for row in count_failures(rows).rows] == ["talker_2", ""]


NAMES = st.sampled_from(
    ["it0", "it1", "s1", "s2", "female", "mixture", "mix", "noise", "talker_1", "Ünï ○", "a b", ".x", "-", "\n"]
)
CONTENTS = st.sampled_from(["ok", "ok", "ok", *FAULTS, "folder", "silent", "no samples"])


@settings(max_examples=60, deadline=None)
@given(
    trees=st.tuples(*[st.dictionaries(st.tuples(NAMES, NAMES), CONTENTS, min_size=1, max_size=8)] * 2),
    options=st.fixed_dictionaries(
        {},
        optional={
            "--layout": st.sampled_from(LAYOUTS),
            "--estimates-layout": st.sampled_from(LAYOUTS),
            "--permutation": st.sampled_from(["fixed", "best"]),
            "--mixture": st.sampled_from(["it0", "mix"]),
            "--channel": st.sampled_from(["0", "1", "7"]),
        },
    ),
)
@pytest.mark.skipif(sys.platform == "win32", reason="names of files are freer elsewhere")
def test_any_two_folders_have_scores_reasons_or_a_message(trees: Any, options: dict[str, str]) -> None:
    with TemporaryDirectory() as made:
        roots = Path(made) / "ref", Path(made) / "est"
        for root, tree in zip(roots, trees, strict=True):
            for number, ((folder, name), how) in enumerate(tree.items()):
                path = root / folder / f"{name}.wav"
                if how == "folder":
                    path.mkdir(parents=True)
                    continue
                n_samples = 0 if how == "no samples" else 1200
                wave = np.random.default_rng(number).standard_normal(n_samples).astype(np.float32) * (how != "silent")
                audio.write(path, wave, sample_rate=RATE)
                if how in FAULTS:
                    FAULTS[how][0](path)
        table = Path(made) / "scores.csv"
        code = evaluate(*roots, table, *[part for pair in options.items() for part in pair])
        assert code in (0, 1)
        if code == 0:
            assert all(not UNUSABLE & set(row.reasons.values()) for row in read_rows(table))
        elif table.exists():
            assert any(UNUSABLE & set(row.reasons.values()) for row in read_rows(table))


@pytest.mark.parametrize("jobs", ["1", "2"])
def test_what_headers_say_otherwise_is_told_once_in_any_number_of_processes(
    jobs: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    references, estimates = folders(tmp_path)
    odd = [references / "it1" / "mixture.wav", references / "it2" / "male.wav", estimates / "it1" / "male.wav"]
    for path in odd:
        data = path.read_bytes()
        at = data.index(b"data") + 4
        path.write_bytes(data[:at] + (400).to_bytes(4, "little") + data[at + 4 :])
    command = ["evaluate", "--references", str(references), "--estimates", str(estimates), "-j", jobs]
    assert main([*command, "--measures", "si_sdr"]) == 0
    told = [line for line in capsys.readouterr().err.splitlines() if "its header counts 400 bytes" in line]
    assert len(told) == 3
    assert all(sum(f"{path}:" in line for line in told) == 1 for path in odd)


def test_what_is_hidden_is_no_item_and_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    references, estimates = folders(tmp_path)
    for root in (references, estimates):
        shutil.copytree(root / "it0", root / ".ipynb_checkpoints")
        (root / "it0" / "notes.txt").write_text("")
    (references / "it0" / "._female.wav").write_bytes(b"x")
    command = ["evaluate", "--references", references, "--estimates", estimates, "-o", tmp_path / "t.csv"]
    assert main([*map(str, command), "--measures", "si_sdr"]) == 0
    assert {item for item, _ in by_item(tmp_path / "t.csv")} == set(ITEMS)
    told = capsys.readouterr().err
    assert f"{references}: passed over: no sound by name: 1 (1 .txt); hidden: 2 (" in told
    assert f"{estimates}: passed over: no sound by name: 1 (1 .txt); hidden: 1 (" in told


@needs_permissions
def test_a_folder_that_cannot_be_listed_is_named_and_costs_the_exit_status(caplog: pytest.LogCaptureFixture) -> None:
    with place_for_all() as root:
        references, estimates = folders(root)
        with without_rights(references / "it1"):
            assert evaluate(references, estimates, root / "t.csv") == 1
        assert f"{references / 'it1'}: cannot be listed: permission denied" in caplog.text
        assert {item for item, _ in by_item(root / "t.csv")} == set(ITEMS) - {"it1"}
        with without_rights(estimates):
            assert evaluate(references, estimates, root / "u.csv") == 1
        assert not (root / "u.csv").exists()


@needs_links
def test_a_link_that_leads_nowhere_is_an_estimate_that_is_missing(tmp_path: Path) -> None:
    references, estimates = folders(tmp_path)
    (estimates / "it1" / "male.wav").unlink()
    (estimates / "it1" / "male.wav").symlink_to("lost.wav")
    assert evaluate(references, estimates, tmp_path / "t.csv") == 1
    assert set(by_item(tmp_path / "t.csv")["it1", "male"].reasons.values()) == {"estimate_missing"}


def test_outputs_of_sepvae_are_scored(tmp_path: Path) -> None:
    """Whatever wrote them, in one run or in one for each item."""
    references, estimates = folders(tmp_path)
    OutputList(estimates).add(sorted(estimates.rglob("*.wav")))
    OutputList(estimates / "it1").add(sorted((estimates / "it1").iterdir()))
    assert evaluate(references, estimates, tmp_path / "t.csv") == 0
    assert len(by_item(tmp_path / "t.csv")) == 6


def test_values_that_there_are_not_are_told_with_the_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Also without a file of scores: of the true sources themselves no ratio is finite."""
    references, _ = folders(tmp_path)
    assert evaluate(references, references, tmp_path / "scores.csv") == 0
    assert (
        f"values that there are not, and why: {len(ITEMS) * len(SOURCES)} of si_sdr (infinite)"
        in capsys.readouterr().err
    )


def _note(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".unfinished")]


def _stopped_after(n_items: int, root: Path, table: Path, monkeypatch: pytest.MonkeyPatch, *more: str) -> None:
    """Score until so many items are done."""
    done, score = 0, many._score

    def failing(task: Any, **how: Any) -> Any:
        nonlocal done
        done += 1
        if done > n_items:
            raise KeyboardInterrupt
        return score(task, **how)

    with monkeypatch.context() as patch:
        patch.setattr(many, "_score", failing)
        assert evaluate(root / "ref", root / "est", table, *more) == 130


def test_what_was_scored_is_kept_and_what_has_changed_is_scored_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    references, estimates = folders(tmp_path)
    assert evaluate(references, estimates, tmp_path / "whole.csv") == 0
    table = tmp_path / "scores.csv"
    _stopped_after(2, tmp_path, table, monkeypatch)
    assert "interrupted; run the same command again to continue" in capsys.readouterr().err
    assert not table.exists()
    scored, score = list[str](), many._score
    monkeypatch.setattr(many, "_score", lambda task, **how: (scored.append(task.item), score(task, **how))[1])
    assert evaluate(references, estimates, table) == 0
    assert scored == ["it2"]
    assert table.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert not _note(tmp_path)

    _stopped_after(2, tmp_path, table, monkeypatch, "--overwrite")
    scored.clear()
    rewrite(estimates / "it1" / "male.wav", lambda wave: 0.5 * wave)
    assert evaluate(references, estimates, table, "--overwrite") == 0
    assert scored == ["it1", "it2"]
    # Other measures are another command.
    _stopped_after(2, tmp_path, table, monkeypatch, "--overwrite")
    scored.clear()
    assert evaluate(references, estimates, table, "--overwrite", "--measures", "sdr_bsseval_v3_512") == 0
    assert scored == list(ITEMS)
    assert not _note(tmp_path)


def test_what_may_pass_is_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    references, estimates = folders(tmp_path)
    table, load = tmp_path / "scores.csv", ItemFiles.load

    def failing(one: ItemFiles) -> Any:
        if one.item != "it1":
            raise MemoryError if one.item == "it0" else KeyboardInterrupt
        return load(one)

    with monkeypatch.context() as patch:
        patch.setattr(ItemFiles, "load", failing)
        assert evaluate(references, estimates, table) == 130
    assert evaluate(references, estimates, table) == 0
    assert all(not row.reasons for row in read_rows(table))


def test_without_a_table_nothing_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    references, estimates = folders(tmp_path)
    monkeypatch.setattr(many, "_score", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt))
    assert main(["evaluate", "--references", f"{references}", "--estimates", f"{estimates}", "-q", "-j", "1"]) == 130
    assert "interrupted; run the same command again\n" in capsys.readouterr().err
    assert not _note(tmp_path)


def test_a_kept_row_has_the_order_of_the_measures_and_what_else_is_as_if_undisturbed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    references, estimates = folders(tmp_path)
    measures = ("--measures", "si_sdr,sdr_bsseval_v3_512,si_sdr_improvement")
    assert evaluate(references, estimates, tmp_path / "whole.csv", *measures) == 0
    printed, table = capsys.readouterr().out, tmp_path / "scores.csv"
    _stopped_after(2, tmp_path, table, monkeypatch, *measures)
    assert evaluate(references, estimates, table, *measures) == 0
    assert table.read_bytes() == (tmp_path / "whole.csv").read_bytes()
    assert capsys.readouterr().out == printed


def test_rows_without_a_package_are_kept_until_it_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    references, estimates = folders(tmp_path)
    table, measures, scored, score = tmp_path / "scores.csv", ("--measures", "estoi"), list[str](), many._score
    there = MEASURES.resolve("estoi")
    monkeypatch.setattr(there, "load_package", lambda: None)
    _stopped_after(2, tmp_path, table, monkeypatch, *measures)
    monkeypatch.setattr(many, "_score", lambda task, **how: (scored.append(task.item), score(task, **how))[1])
    monkeypatch.setattr(there, "load_package", lambda: object())
    assert evaluate(references, estimates, table, *measures) == 0
    assert scored == list(ITEMS)


def test_a_refusal_keeps_what_was_scored_and_tables_know_nothing_of_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references, estimates = folders(tmp_path)
    table, other = tmp_path / "a.csv", tmp_path / "b.csv"
    assert evaluate(references, estimates, table) == 0
    _stopped_after(2, tmp_path, table, monkeypatch, "--overwrite")
    assert evaluate(references, estimates, table) == 1
    assert evaluate(references, estimates, other) == 0
    assert evaluate(references, estimates, other) == 1
    scored, score = list[str](), many._score
    monkeypatch.setattr(many, "_score", lambda task, **how: (scored.append(task.item), score(task, **how))[1])
    assert evaluate(references, estimates, table, "--overwrite") == 0
    assert scored == ["it2"]
    assert not _note(tmp_path)


def _with_mixture(root: Path) -> None:
    audio.write(root / "ref" / "it2" / "mixture.wav", item_waves(2, SOURCES, N_SAMPLES)[0]["male"], sample_rate=RATE)


def _swapped(root: Path) -> None:
    """Two estimates under each other's names, of the same size and time."""
    one, other = (root / "est" / "it0" / f"{source}.wav" for source in SOURCES)
    one.rename(root / "x")
    other.rename(one)
    (root / "x").rename(other)


@pytest.mark.parametrize("change", [_with_mixture, _swapped])
def test_what_others_decide_about_an_item_is_no_other_than_anew(
    change: Callable[[Path], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    references, estimates = folders(tmp_path, mixture=False)
    table, anew = tmp_path / "scores.csv", tmp_path / "anew.csv"
    _stopped_after(2, tmp_path, table, monkeypatch)
    change(tmp_path)
    assert evaluate(references, estimates, table) == evaluate(references, estimates, anew)
    assert table.read_bytes() == anew.read_bytes()


def test_what_changes_while_it_is_scored_is_scored_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    references, estimates = folders(tmp_path)
    table, anew, score = tmp_path / "scores.csv", tmp_path / "anew.csv", many._score

    def changing(task: Any, **how: Any) -> Any:
        if task.item == "it1":
            raise KeyboardInterrupt
        found = score(task, **how)
        rewrite(estimates / "it0" / "male.wav", lambda wave: wave + 0.1)
        return found

    with monkeypatch.context() as patch:
        patch.setattr(many, "_score", changing)
        assert evaluate(references, estimates, table) == 130
    assert evaluate(references, estimates, table) == evaluate(references, estimates, anew) == 0
    assert table.read_bytes() == anew.read_bytes()


@pytest.mark.parametrize("rows", [None, [], [{}], [{"row": {"system": ""}, "measures": []}], 7])
def test_a_note_without_rows_is_none(rows: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    references, estimates = folders(tmp_path)
    table = tmp_path / "scores.csv"
    _stopped_after(2, tmp_path, table, monkeypatch)
    (name,) = _note(tmp_path)
    lines = [json.loads(line) for line in (tmp_path / name).read_text().splitlines()]
    for line in lines:
        if "made" in line:
            line["made"]["rows"] = rows
    (tmp_path / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert evaluate(references, estimates, table) == 0
    assert len(read_rows(table)) == 6
