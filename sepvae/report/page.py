"""Builds the page of a run: one self-contained HTML file with tables, violins, players and spectrograms."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sepvae import audio
from sepvae.errors import InputError, MissingExtra
from sepvae.evaluation import IMPROVEMENT
from sepvae.evaluation.rows import ScoreRow
from sepvae.files import read_arrays, write_text
from sepvae.report import figures, filters
from sepvae.report.labels import Measures, format_value, is_number, p_text, reason_text
from sepvae.report.overview import Overview
from sepvae.report.rooms import Room, describe_room, describe_talkers, plan
from sepvae.report.systems import Systems

_PEAK = 0.9


@dataclass(frozen=True)
class Words:
    """What the page says of the experiment: about its scores, what an item is called, and the sounds beside it."""

    about: str = (
        "Means over all sources of all test mixtures, with 95 % bootstrap intervals. Mixtures of the same "
        "speakers are a cluster: they are drawn together, and tested by their mean. SDR, SIR and SAR are BSSEval "
        "v3 with 512 taps. The floor is the unprocessed mixture. What is informed is given the true sources, which no "
        "real system has, and so is a ceiling, which is a bound as well; the best of the others is marked. An estimate "
        "that failed, such as a silent one, counts as the mixture does, or as the worst of its system where that is "
        "less."
    )
    items: str = "mixtures"
    point: str = "A point is one source of one mixture, the line the mean."
    before: str = "Mixture"


@dataclass(frozen=True)
class Picture:
    """A figure of its own: SVG, what it shows for those who cannot see it, and the sentence below."""

    svg: bytes
    alt: str
    caption: str


@dataclass(frozen=True)
class ReportItem:
    """One test mixture, or another sound before something happens to it: what became of it by source and system.

    `room` is where it was recorded. `found` are files of arrays by system: `demixing`, the filters (bins, sources,
    microphones) with the sources in the order of `references`, and `objective` (iterations + 1,), or one of the two.
    """

    id: str
    description: str
    mixture: Path
    references: Mapping[str, Path]
    estimates: Mapping[str, Mapping[str, Path]]
    room: Room | None = None
    found: Mapping[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class ReportSplit:
    """The results of one split: summary by system and measure, paired tests, claims, rows, and items to listen to.

    `n_more` items beside these are not on the page. `heard` are the rows of the sounds, where `rows` are means over
    seeds. `named` says how often systems named the right speaker.
    """

    name: str
    description: str
    summary: Mapping[str, Mapping[str, Any]]
    comparisons: Sequence[Mapping[str, Any]]
    hypotheses: Sequence[Mapping[str, Any]]
    rows: Sequence[ScoreRow]
    items: Sequence[ReportItem]
    n_more: int = 0
    heard: Sequence[ScoreRow] | None = None
    named: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)


def write_report(
    path: Path,
    *,
    title: str,
    systems: Systems,
    measures: Measures,
    splits: Sequence[ReportSplit],
    config: Mapping[str, Any],
    versions: Mapping[str, str],
    seed: int,
    notes: Sequence[str],
    published: Sequence[Mapping[str, Any]] = (),
    words: Words | None = None,
    overviews: Sequence[Overview] = (),
    checks: Sequence[Mapping[str, Any]] = (),
    pictures: Sequence[Picture] = (),
) -> None:
    """Write the page atomically; the same input gives the same bytes.

    Args:
        path: HTML file to write.
        title: heading of the page.
        systems: labels, roles and order of all that is compared or listened to.
        measures: how they are shown, and where.
        splits: results, the main one first.
        config: resolved configuration.
        versions: of the packages the numbers depend on.
        seed: of the run.
        notes: sentences to show above the results.
        published: figures of papers, with `system`, `measure`, `value` and `source`.
        words: of the experiment, by default of separation.
        overviews: tables to show above the results.
        checks: with `text` and whether it is `passed`.
        pictures: to show after the results.

    Raises:
        MissingExtra: the extra `report` is not installed.
        InputError: an audio file cannot be read.
        OutputError: the page cannot be written.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise MissingExtra("the report page", "report", error) from error
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string(resources.files("sepvae.report").joinpath("page.html").read_text("utf-8"))
    words = words or Words()
    page = template.render(
        words=words,
        overviews=overviews,
        checks=[{"text": check["text"], "verdict": "passed" if check["passed"] else "failed"} for check in checks],
        pictures=[
            {"picture": _data_uri("image/svg+xml", one.svg), "alt": one.alt, "caption": one.caption} for one in pictures
        ],
        title=title,
        notes=[note for note in notes if note],
        splits=[_split(split, systems, measures, words) for split in splits],
        published=[_published(figure, splits[0].summary, systems, measures) for figure in published],
        config=json.dumps(config, indent=2, ensure_ascii=False),
        versions=dict(versions),
        seed=seed,
    )
    write_text(path, page)


def _data_uri(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"


def _split(split: ReportSplit, known: Systems, measures: Measures, words: Words) -> dict[str, Any]:
    systems = known.ordered(split.summary)
    taken = measures.ordered(name for row in split.summary.values() for name in row if not name.endswith(IMPROVEMENT))
    scored = [m for m in taken if any(split.summary[s].get(m, {}).get("n_valid") for s in systems)]
    tested = [test for test in split.comparisons if test["n_pairs"] and measures.shown([test["measure"]], "test")]
    return {
        "name": split.name,
        "label": split.name.replace("_", " "),
        "description": split.description,
        "measures": [(m, measures[m].heading) for m in scored],
        "missing": [measures[m].label for m in taken if m not in scored],
        "systems": [_system_row(s, split.summary, scored, known, measures) for s in systems],
        "tests": [_test(test, known, measures) for test in tested],
        "claims": [_claim(test, known, measures) for test in split.hypotheses],
        "named": [known.named(name, split.named[name]) for name in known.ordered(split.named)],
        "violins": [_violin(split.rows, m, known, measures) for m in measures.shown(scored, "violin")],
        "seeded": any(found.get("seeds", 1) > 1 for row in split.summary.values() for found in row.values()),
        "items": [
            _item(item, split.rows if split.heard is None else split.heard, known, measures, words)
            for item in split.items
        ],
        "n_more": split.n_more,
    }


def _system_row(
    system: str,
    summary: Mapping[str, Mapping[str, Any]],
    scored: Sequence[str],
    known: Systems,
    measures: Measures,
) -> dict[str, Any]:
    one = known[system]
    return {
        "label": one.label,
        "name": system,
        "role": one.role,
        "cells": [_cell(system, summary, measure, known, measures) for measure in scored],
    }


def _cell(
    system: str, summary: Mapping[str, Mapping[str, Any]], measure: str, known: Systems, measures: Measures
) -> dict[str, Any]:
    found = summary[system].get(measure)
    if found is None or not is_number(found["mean"]):
        return {"mean": "–", "interval": "", "count": "", "best": False}
    low, high = found["ci95"]
    rivals = [
        row[measure]["mean"]
        for name, row in summary.items()
        if known[name].competes and measure in row and is_number(row[measure]["mean"])
    ]
    best = {"higher": max, "lower": min}.get(measures[measure].better or "")
    n_failed = found.get("n_failed", 0)
    n_counted = found["n_valid"] + n_failed
    notes = [f"{n_counted} of {found['n_total']}"] if n_counted < found["n_total"] else []
    notes += [f"{n_failed} failed"] if n_failed else []
    if (n_seeds := found.get("seeds", 1)) > 1:
        notes.append(f"{n_seeds} seeds ± {measures.write(found['seed_std'], measure)}")
    return {
        "mean": measures.write(found["mean"], measure),
        "interval": f"{measures.write(low, measure)} to {measures.write(high, measure)}" if is_number(low) else "",
        "count": ", ".join(notes),
        "best": best is not None and known[system].competes and len(rivals) > 1 and found["mean"] == best(rivals),
    }


def _extent(test: Mapping[str, Any]) -> str:
    """Return how many items a test is of, and how many clusters of them where these are fewer."""
    n_items, n_clusters = test["n_pairs"], test.get("n_clusters", test["n_pairs"])
    return str(n_items) if n_clusters == n_items else f"{n_items} ({n_clusters} clusters)"


def _claim_extent(test: Mapping[str, Any]) -> str:
    """Return what a verdict rests on: items, clusters, and seeds where something was drawn."""
    if (n_seeds := test.get("seeds")) is None:
        return _extent(test)
    return f"{_extent(test)}, {n_seeds} seed{'' if n_seeds == 1 else 's'}"


def _claim(test: Mapping[str, Any], known: Systems, measures: Measures) -> dict[str, str]:
    claim = test["claim"]
    unit = measures[claim["measure"]].unit
    margin = f", within ±{claim['margin']:g} {unit}".rstrip() if claim["direction"] == "equal" else ""
    return {
        "text": claim["text"],
        "verdict": test["verdict"],
        "pair": f"{known[claim['system']].label} against {known[test['other']].label}{margin}",
        "measure": measures[claim["measure"]].label,
        "difference": measures.write(test["mean_difference"], claim["measure"]),
        "n": _claim_extent(test),
        "p_for": p_text(test["p_for"]),
        "p_against": p_text(test["p_against"]),
    }


def _test(test: Mapping[str, Any], known: Systems, measures: Measures) -> dict[str, str]:
    return {
        "measure": measures[test["measure"]].label,
        "a": known[test["system_a"]].label,
        "b": known[test["system_b"]].label,
        "difference": measures.write(test["median_difference"], test["measure"]),
        "n": _extent(test),
        "p": p_text(test["p_value"]),
        "p_holm": p_text(test["p_holm"]),
        "effect": format_value(test["rank_biserial"], 2),
        "reason": (test["reason"] or "").replace("_", " "),
    }


def _violin(rows: Sequence[ScoreRow], measure: str, known: Systems, measures: Measures) -> dict[str, str]:
    scores: dict[str, list[float]] = {}
    for row in rows:
        if is_number(row.values.get(measure)):
            scores.setdefault(row.system, []).append(row.values[measure])
    picture = _data_uri("image/svg+xml", figures.violins(scores, measures[measure].heading, known))
    counts = ", ".join(f"{known[name].label} {len(scores[name])}" for name in known.ordered(scores))
    label = measures[measure].label
    return {"picture": picture, "label": label, "alt": f"Violin plots of {label} by system; points: {counts}"}


def _published(
    figure: Mapping[str, Any], summary: Mapping[str, Mapping[str, Any]], known: Systems, measures: Measures
) -> dict[str, str]:
    measure = figure["measure"]
    ours = summary.get(figure["system"], {}).get(measure, {}).get("mean")
    return {
        "system": known[figure["system"]].label,
        "measure": measures[measure].heading,
        "theirs": measures.write(figure["value"], measure),
        "ours": measures.write(ours, measure),
        "source": figure["source"],
    }


def _item(
    item: ReportItem, rows: Sequence[ScoreRow], known: Systems, measures: Measures, words: Words
) -> dict[str, Any]:
    """Read the audio of one mixture and make a card for each signal, at one level and one range of colours."""
    found = {(row.system, row.source): row for row in rows if row.item == item.id}
    systems = [s for s in known.ordered(item.estimates) if known[s].role != "floor"]
    paths = {("mixture", ""): item.mixture}
    paths |= {("reference", name): path for name, path in item.references.items()}
    paths |= {(s, name): path for s in systems for name, path in item.estimates[s].items()}
    sounds = {key: audio.read(path) for key, path in paths.items()}
    peak = max((float(np.abs(sound.wave).max(initial=0.0)) for sound in sounds.values()), default=0.0)
    gain = np.float32(_PEAK / peak if peak > 0 else 1.0)
    mixture = sounds["mixture", ""]
    top_db = float(figures.spectrogram_db(mixture.wave[0] * gain, sample_rate=mixture.sample_rate).max())
    arrays = {name: read_arrays(path) for name, path in item.found.items()}
    directivity = _directivity(item, arrays, known)

    def card(key: tuple[str, str], label: str) -> dict[str, Any]:
        sound, row = sounds[key], found.get(key)
        levels = figures.spectrogram_db(sound.wave[0] * gain, sample_rate=sound.sample_rate)
        return {
            "label": label,
            "role": "truth" if key[0] in ("mixture", "reference") else known[key[0]].role,
            "sound": _data_uri("audio/flac", audio.encode(sound.wave[:1] * gain, sample_rate=sound.sample_rate)),
            "picture": _data_uri("image/webp", figures.spectrogram_image(levels, top_db=top_db)),
            "directivity": directivity.get(key, ""),
            "scores": _scores(row, measures) if row else [],
        }

    return {
        "id": item.id,
        "description": item.description,
        "seconds": f"{mixture.wave.shape[1] / mixture.sample_rate:.1f}",
        "top_khz": f"{mixture.sample_rate / 2000:g}",
        "mixture": card(("mixture", ""), words.before),
        "room": _room(item),
        "trace": _trace(item, arrays, known),
        "directed": bool(directivity),
        "sources": [
            {
                "name": name,
                "cards": [
                    *([card(("reference", name), "True source")] if name in item.references else []),
                    *(card((s, name), known[s].label) for s in systems if name in item.estimates[s]),
                ],
            }
            for name in dict.fromkeys([*item.references, *(name for own in item.estimates.values() for name in own)])
        ],
    }


def _room(item: ReportItem) -> dict[str, Any] | None:
    if item.room is None:
        return None
    return {
        "plan": plan(item.room, item=item.id),
        "description": describe_room(item.room),
        "talkers": describe_talkers(item.room),
    }


def _directivity(
    item: ReportItem, arrays: Mapping[str, Mapping[str, NDArray[Any]]], known: Systems
) -> dict[tuple[str, str], str]:
    """Draw the filter of each system and source, where the places of the microphones are known."""
    room, names = item.room, list(item.references)
    if room is None or room.front_rad is None or room.n_microphones < 2:
        return {}
    talkers = ", ".join(describe_talkers(room))
    pictures = {}
    for system, own in arrays.items():
        if "demixing" not in own:
            continue
        shape = own["demixing"].shape
        if len(shape) != 3 or shape[1:] != (len(names), room.n_microphones):
            raise InputError(
                f"{item.found[system]}: demixing has the shape {shape}, allowed is (bins, {len(names)} sources, "
                f"{room.n_microphones} microphones): separate again"
            )
        for source, (name, levels) in enumerate(zip(names, filters.directivity_db(own["demixing"], room), strict=True)):
            label = f"Directivity of the filter of {known[system].label} for {name} in {item.id}; {talkers}"
            pictures[system, name] = filters.directivity_picture(levels, room, source=source, label=label)
    return pictures


def _trace(item: ReportItem, arrays: Mapping[str, Mapping[str, NDArray[Any]]], known: Systems) -> str:
    """Draw the objectives of all systems that have one, markup; empty when none has."""
    objectives = {
        name: own["objective"]
        for name, own in arrays.items()
        if filters.usable(own.get("objective")) and known[name].competes
    }
    return filters.trace(objectives, known, item=item.id) if objectives else ""


def _scores(row: ScoreRow, measures: Measures) -> list[dict[str, str]]:
    """Return what stands under a sound: its scores, or the reasons why there are none."""
    scores = []
    for measure in measures.shown(measures.ordered(row.values), "player"):
        value = row.values[measure]
        text = measures.write(value, measure) if is_number(value) else reason_text(row.reasons, measure)
        scores.append({"label": measures[measure].label, "text": text})
    return scores
