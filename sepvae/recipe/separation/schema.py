"""The schema of a recipe."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from sepvae.config import Config, parse_config
from sepvae.errors import ConfigError
from sepvae.evaluation import known_measure, measure_names
from sepvae.mixing.config import MixingConfig
from sepvae.recipe.common import CorpusConfig, Hypothesis
from sepvae.settings import merge
from sepvae.systems.contract import SystemChoice


class Published(Config):
    """A figure from a paper to show beside ours."""

    system: str
    measure: str
    value: float
    source: str


class EvaluationConfig(Config):
    """Which measures to take, by default all that need no noise signal, and of which sources, by default of all."""

    sources: tuple[str, ...] | None = None
    measures: tuple[str, ...] = tuple(name for name in measure_names() if not name.startswith("snr_bsseval"))

    @field_validator("measures")
    @classmethod
    def _known(cls, measures: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(known_measure(name) for name in measures)


class Case(Config):
    """Another form of the mixtures: what it changes of `mixing`, and a sentence about it."""

    description: str = ""
    mixing: dict[str, Any]


@dataclass(frozen=True)
class Part:
    """One round of a recipe: its mixtures, on which all systems are trained and scored anew."""

    name: str
    mixing: MixingConfig
    description: str


_SPLITS = {
    "speaker_seen": "The test speakers also speak in training, other sentences (the survey's protocol).",
    "speaker_open": "The test speakers never speak in training.",
}


class Recipe(Config):
    """One experiment in separation: corpus, mixtures, systems, measures and report.

    `splits`, and `cases` where there are any, are run one after the other, the first is the main result. `quick`
    overrides keys for a run of seconds; a case or system set to null is left out. `naming` says how estimates get the
    names of sources: `given` by the systems, or `best_sir`, for systems that are not told who is who, by what they are
    most like.
    """

    kind: Literal["separation"] = "separation"
    title: str
    description: str = ""
    seed: int = Field(0, ge=0)
    corpus: CorpusConfig = CorpusConfig()
    mixing: MixingConfig = MixingConfig()
    splits: tuple[Literal["speaker_seen", "speaker_open"], ...] = Field(("speaker_seen", "speaker_open"), min_length=1)
    cases: dict[str, Case] = Field(default_factory=dict)
    systems: dict[str, SystemChoice] = Field(min_length=1)
    evaluation: EvaluationConfig = EvaluationConfig()
    naming: Literal["given", "best_sir"] = "given"
    published: tuple[Published, ...] = ()
    hypotheses: tuple[Hypothesis, ...] = ()
    notes: tuple[str, ...] = ()

    @field_validator("systems", mode="before")
    @classmethod
    def _left_out(cls, systems: Any) -> Any:
        """Leave out the systems of an included recipe that are set to null."""
        if not isinstance(systems, dict):
            return systems
        return {name: choice for name, choice in systems.items() if choice is not None}

    @field_validator("systems")
    @classmethod
    def _names(cls, systems: dict[str, SystemChoice]) -> dict[str, SystemChoice]:
        for name in systems:
            if not name.replace("_", "").isalnum() or not name.isascii():
                raise ConfigError(f"system name {name!r}: use letters, digits and underscores, it names files")
            of = systems[name].settings.get("of")
            if of is not None and (of not in systems or "of" in systems[of].settings):
                others = [other for other, choice in systems.items() if "of" not in choice.settings]
                raise ConfigError(f"system {name}: of = {of!r}: name another system of the recipe: {', '.join(others)}")
        return systems

    @field_validator("cases", mode="before")
    @classmethod
    def _named_cases(cls, cases: Any) -> Any:
        if not isinstance(cases, dict):
            return cases
        for name in cases:
            if not str(name).replace("_", "").isalnum() or not str(name).isascii():
                raise ConfigError(f"case {name!r}: use letters, digits and underscores, it names folders")
        return {str(name): case for name, case in cases.items() if case is not None}

    @property
    def table_measures(self) -> tuple[str, ...]:
        """The columns of the table of results; improvements are left to results.json: it has to fit a terminal."""
        return tuple(name for name in self.evaluation.measures if not name.endswith("_improvement"))

    @property
    def legend(self) -> str:
        """What the table of results holds, in one sentence."""
        return "Means over sources with the 95 % interval of the first; sdr, sir, sar: BSSEval v3, 512 taps."

    @property
    def parts(self) -> list[Part]:
        """What is run: each split, or each split of each case."""
        if not self.cases:
            return [Part(name, self.mixing.model_copy(update={"split": name}), _SPLITS[name]) for name in self.splits]
        parts = []
        for case, changes in self.cases.items():
            for split in self.splits:
                data = {**merge(self.mixing.model_dump(mode="json"), changes.mixing), "split": split}
                mixing = parse_config(MixingConfig, data, where=f"case {case}")
                name = case if len(self.splits) == 1 else f"{case}_{split}"
                parts.append(Part(name, mixing, f"{changes.description} {_SPLITS[split]}".strip()))
        return parts

    @model_validator(mode="after")
    def _cases_can_be_mixed(self) -> Recipe:
        names = [part.name for part in self.parts]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ConfigError(f"cases: {min(twice)} is the name of two parts: rename a case")
        return self

    @model_validator(mode="after")
    def _hypotheses_name_systems(self) -> Recipe:
        for hypothesis in self.hypotheses:
            for name in (hypothesis.system, *hypothesis.others):
                if name not in self.systems:
                    known = ", ".join(self.systems)
                    raise ConfigError(f"hypothesis {hypothesis.claim!r}: unknown system {name!r}: choose from {known}")
        return self
