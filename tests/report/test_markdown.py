"""Tables in Markdown: order, marks, failures, several seeds, and single figures."""

from __future__ import annotations

from typing import Any

import pytest

from sepvae.config import parse_config
from sepvae.errors import ConfigError, InputError
from sepvae.recipe.separation.schema import SeparationRecipe
from sepvae.report.markdown import Tables, results_markdown

from ..made_results import SDR, claim_test, made_results

RECIPE = parse_config(
    SeparationRecipe,
    {
        "title": "Noise",
        "systems": {
            "ideal": {"kind": "ideal_mask"},
            "nmf": {"kind": "nmf"},
            "filtered_nmf": {"kind": "filtered", "settings": {"of": "nmf"}},
            "mixture": {"kind": "mixture"},
        },
        "evaluation": {"measures": [SDR, f"{SDR}_improvement", "stoi"]},
        "hypotheses": [
            {
                "claim": "NMF is as good as | another",
                "system": "nmf",
                "others": ["filtered_nmf"],
                "direction": "equal",
                "margin": 0.5,
            }
        ],
    },
    where="test",
)
MEANS: dict[str, float | None] = {"ideal": 12.0, "nmf": 6.256, "filtered_nmf": -1.5, "mixture": 0.0}


def results(means: dict[str, float | None] = MEANS, **changes: Any) -> dict[str, Any]:
    own = {"measures": [SDR, f"{SDR}_improvement", "stoi"], "claims": [claim_test(RECIPE)]}
    return made_results(RECIPE, means, **{**own, **changes})


def test_lines_go_by_role_and_from_the_worst_to_the_best() -> None:
    assert Tables((results(failed={"nmf": 2}),)).scores(measures=["sdr"]).splitlines() == [
        "| system | SDR |",
        "|---|---|",
        "| `mixture` | 0.00 [−1.00, 1.00] |",
        "| `filtered_nmf` | −1.50 [−2.50, −0.50] |",
        "| `nmf` | **6.26** [5.26, 7.26] (2 failed) |",
        "| `ideal` | 12.00 [11.00, 13.00] |",
    ]


def test_columns_systems_labels_voices_and_decimals_can_be_chosen() -> None:
    shown = Tables((results({**MEANS, "filtered_nmf": None}, voices=["female + male"]),)).scores(
        part="speaker_open", measures=["stoi", "sdr_improvement"], systems=["nmf", "filtered_nmf"], voices="sdr",
        decimals=1, labels=True,
    )  # fmt: skip
    assert shown.splitlines() == [
        "| system | STOI | SDR gain | SDR, female + male |",
        "|---|---|---|---|",
        "| KL-NMF + BPF | – | – | – |",
        "| KL-NMF | 6.256 [5.256, 7.256] | 6.3 | 6.3 |",
    ]


def test_over_several_seeds_there_are_means_and_their_range() -> None:
    both = Tables((results(), results({**MEANS, "nmf": 8.256}, failed={"nmf": 1}, seed=1)))
    table = both.scores(measures=["sdr"], systems=["nmf"])
    assert "| system | SDR (lowest, highest of 2 runs) |" in table
    assert "| `nmf` | 7.26 [6.26, 8.26] (1 failed) |" in table
    assert both.value(system="nmf") == "7.26"
    assert "in 4.0 hours of one core: seeds 0, 1, settings" in both.provenance()


def test_one_measure_across_parts() -> None:
    tables = Tables((results(),))
    across = tables.across(measure="sdr", systems=["nmf", "filtered_nmf"], headings=["known", "new"], decimals=1)
    assert across.splitlines() == [
        "| system | known | new |",
        "|---|---|---|",
        "| `filtered_nmf` | −1.5 | −1.5 |",
        "| `nmf` | **6.3** | **6.3** |",
    ]
    turned = tables.across(measure="sdr", systems=["nmf"], parts=["speaker_open"], rows="parts")
    assert turned.splitlines() == ["| part | `nmf` |", "|---|---|", "| speaker open | 6.26 |"]


def test_claims_say_what_they_rest_on() -> None:
    against = claim_test(RECIPE, verdict="contradicted", p_against=0.0004, mean_difference=-2.0)
    heading, _, one, other = Tables((results(claims=[claim_test(RECIPE), against]),)).claims().splitlines()
    assert heading == "| claim | verdict | mean difference | p | n | clusters | seeds | margin |"
    text, difference = "NMF is as good as \\| another", "dB SDR against `filtered_nmf`"
    assert one == f"| {text} | supported | +1.25 {difference} | 0.023 | 10 | 8 | 1 | ±0.5 dB |"
    assert other == f"| {text} | contradicted | −2.00 {difference} | < 0.001 | 10 | 8 | 1 | ±0.5 dB |"


def test_how_often_speakers_were_named_is_counted_over_seeds() -> None:
    both = results(), results(seed=1)
    for one, right in zip(both, (3, 4), strict=True):
        counts = {"classes": 12, "clean": {"right": right, "of": 4}, "separated": {"right": 0, "of": 0}}
        one["splits"]["speaker_seen"]["named_speakers"] = {"nmf": counts}
    assert Tables(both).named_speakers(labels=True).splitlines() == [
        "| system | speakers known | clean utterances | separated sources |",
        "|---|---|---|---|",
        "| KL-NMF | 12 | 88 % (7 of 8) | – |",
    ]


def test_single_figures() -> None:
    tables = Tables((results(failed={"nmf": 3}),))
    assert tables.value(system="nmf", minus="filtered_nmf") == "7.76"
    found = {stat: tables.value(system="nmf", stat=stat) for stat in ("low", "high", "n", "failed")}
    assert found == {"low": "5.26", "high": "7.26", "n": "20", "failed": "3"}
    assert tables.value(system="nmf", stat="train_minutes") == "10"
    assert tables.value(system="nmf", stat="separate_minutes", decimals=1) == "0.5"


def test_a_time_that_is_not_known_is_no_figure() -> None:
    unknown = {"speaker_seen": {"nmf": {"train": None, "separate": 1.0}}}
    with pytest.raises(ConfigError, match=r"how long nmf took in speaker_seen is not known: leave train_minutes out"):
        Tables((results(core_seconds_of=unknown),)).value(system="nmf", stat="train_minutes")


def test_where_results_come_from() -> None:
    line = Tables((results(data={"layout": "x", "corpus": "d" * 64, "folders": {"noise": "e" * 64}}),)).provenance()
    assert line.startswith(
        "Measured on 2026-11-30 with sepvae 0.1.0, torch 2.11.0 on Some CPU (2 cores, without AMX) in 2.0 hours of one "
        "core: seed 0, settings "
    )
    assert line.endswith(f", corpus {'d' * 12}, noise {'e' * 12}.")
    assert "in an unknown time" in Tables((results(core_seconds=None),)).provenance()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: t.scores(part="speaker_sen"), r"unknown part 'speaker_sen': did you mean 'speaker_seen'\?"),
        (lambda t: t.scores(measures=["sdrr"]), r"unknown measure 'sdrr'"),
        (lambda t: t.scores(systems=["vae"]), r"unknown system 'vae'"),
        (lambda t: t.value(system="vae"), r"unknown system 'vae'"),
        (lambda t: t.value(system="nmf", stat="median"), r"unknown stat 'median'"),
        (lambda t: t.value(system="nmf", voices="female"), r"unknown voices 'female'"),
        (lambda t: t.across(measure="sdr", headings=["one"]), r"headings: 1 for 2 parts: give one for each"),
        (lambda t: t.across(measure="sdr", rows="cells"), r"unknown rows 'cells'"),
    ],
)
def test_what_the_results_do_not_have_is_named(call: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        call(Tables((results(),)))


def test_results_without_a_common_part_are_refused() -> None:
    with pytest.raises(InputError, match=r"no part in common"):
        Tables((results(parts=["speaker_seen"]), results(parts=["speaker_open"]))).scores()


def test_all_tables_of_a_result() -> None:
    text = results_markdown(results())
    headings = ["# Noise", "## speaker seen", "## speaker open"]
    assert [line for line in text.splitlines() if line.startswith("#")] == headings
    assert text.count("| claim |") == 2
    old = results()
    del old["processors"]
    with pytest.raises(InputError, match=r"results of another form \(KeyError\('processors'\)\): run the recipe again"):
        results_markdown(old)
