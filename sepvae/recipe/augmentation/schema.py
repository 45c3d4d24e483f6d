"""The schema of a recipe that measures what augmentation is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from sepvae.augmented.config import AugmentConfig
from sepvae.config import Config, parse_config
from sepvae.errors import ConfigError
from sepvae.recipe.common import CorpusConfig, Hypothesis
from sepvae.recognition.recogniser import RecogniserConfig
from sepvae.recognition.speech import SpeechConfig
from sepvae.settings import merge, preset
from sepvae.training.config import TrainingConfig

MEASURES = ("phone_accuracy", "frame_accuracy")
# The parts of the results: every condition, and before them all that the recogniser was not trained for.
MISMATCHED, CLEAN = "mismatched", "clean"
# Speech as it is goes through the same machinery: at a gain of 0 dB.
AS_IT_IS = "gain"
UNCHANGED: dict[str, dict[str, Any]] = {AS_IT_IS: {"gain_db": 0}}


def _is_name(name: str) -> bool:
    return name.replace("_", "").isalnum() and name.isascii()


class Sounds(Config):
    """How speech is changed: chains of augmentations and their settings, as of `sepvae augment run`."""

    methods: tuple[str, ...] = ()
    copies: int = Field(1, ge=1, le=1000)
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_made(self) -> Sounds:
        if self.methods:
            self.augmentation(0)
        return self

    def augmentation(self, seed: int, *, subtype: str = "pcm16") -> AugmentConfig:
        """Return the settings of a run of augmentation that writes WAV files."""
        data = {"methods": self.methods, "copies": self.copies, "seed": seed, "settings": self.settings}
        return parse_config(AugmentConfig, {**data, "output": {"subtype": subtype}}, where="augmentation")


class Arm(Sounds):
    """What a recogniser is trained on beside the utterances themselves.

    With `recordings` its noise and rooms are those that the unlabelled speech is heard in, and not synthetic ones.
    """

    recordings: bool = False


class Condition(Config):
    """A chain of augmentations that the test speech goes through, and its settings; none leaves it clean."""

    description: str = ""
    method: str = AS_IT_IS
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)


class Claimed(Hypothesis):
    """A claim about arms in the condition `where`; accuracies are in percent."""

    measure: str = "phone_accuracy"
    where: str = MISMATCHED
    margin: float = Field(1.0, gt=0)

    @field_validator("measure")
    @classmethod
    def _known(cls, measure: str) -> str:
        if measure not in MEASURES:
            raise ConfigError(f"unknown measure {measure!r}: choose from {', '.join(MEASURES)}")
        return measure


class Folders(Config):
    """Recordings of noise, a folder for each kind, and impulse responses of rooms; both synthetic when not given.

    Of each kind of noise, and of the responses, every second one is for training and the others for the test.
    """

    noise: str | None = None
    rooms: str | None = None


class Identity(Config):
    """How it is checked that replacement moves the voice and leaves the phones: targets for each test utterance."""

    targets: int = Field(3, ge=1)


class AugmentRecipe(Config):
    """One experiment: who is trained on and who tested, the model of speech, the arms, and where they are heard.

    The speakers are dealt into `folds` groups; each group is tested once, by recognisers (one for each of `seeds` and
    each arm) that were trained on the others. The model of speech learns from the training speakers alone, without
    labels: their utterances changed by the `unlabelled` chains.
    """

    kind: Literal["augmentation"]
    title: str
    description: str = ""
    seed: int = Field(0, ge=0)
    corpus: CorpusConfig = CorpusConfig()
    folders: Folders = Folders()
    folds: int = Field(3, ge=2, le=20)
    tested_folds: int | None = Field(None, ge=1, description="test only the first of them")
    seeds: int = Field(3, ge=1, le=20)
    speech: SpeechConfig = SpeechConfig()
    recogniser: RecogniserConfig = RecogniserConfig()
    model: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    unlabelled: Sounds = Sounds(methods=(AS_IT_IS,), settings=UNCHANGED)
    arms: dict[str, Arm] = Field(min_length=1)
    conditions: dict[str, Condition] = Field(min_length=1)
    identity: Identity = Identity()
    hypotheses: tuple[Claimed, ...] = ()
    notes: tuple[str, ...] = ()

    @field_validator("model")
    @classmethod
    def _trains(cls, model: dict[str, Any]) -> dict[str, Any]:
        """Check the settings of the model of speech, and fill in its defaults."""
        return parse_config(TrainingConfig, merge(preset("segment_conv"), model), where="model").model_dump(mode="json")

    @field_validator("arms", "conditions", mode="before")
    @classmethod
    def _left_out(cls, named: Any) -> Any:
        """Leave out what is set to null."""
        return {name: one for name, one in named.items() if one is not None} if isinstance(named, dict) else named

    @model_validator(mode="after")
    def _names(self) -> AugmentRecipe:
        for what, names in (("arm", self.arms), ("condition", self.conditions)):
            for name in names:
                if not _is_name(name):
                    raise ConfigError(f"{what} {name!r}: use letters, digits and underscores, it names folders")
        if MISMATCHED in self.conditions:
            raise ConfigError(f"condition {MISMATCHED!r}: is the mean of all but {CLEAN!r}: choose another name")
        if AS_IT_IS not in self.unlabelled.methods or self.unlabelled.settings.get(AS_IT_IS) != UNCHANGED[AS_IT_IS]:
            raise ConfigError("unlabelled.methods: needs gain with gain_db: 0, the utterances as they are")
        for claim in self.hypotheses:
            for name in (claim.system, *claim.others):
                if name not in self.arms:
                    raise ConfigError(
                        f"hypothesis {claim.claim!r}: unknown arm {name!r}: choose from {', '.join(self.arms)}"
                    )
            if claim.where not in self.parts:
                raise ConfigError(
                    f"hypothesis {claim.claim!r}: where = {claim.where!r}: choose from {', '.join(self.parts)}"
                )
        return self

    def in_order(self, arms: Sequence[str], conditions: Sequence[str]) -> AugmentRecipe:
        """Return the recipe with its arms and conditions in an order, which JSON does not keep."""
        ordered = {"arms": {name: self.arms[name] for name in arms}}
        return self.model_copy(update={**ordered, "conditions": {name: self.conditions[name] for name in conditions}})

    @property
    def table_measures(self) -> tuple[str, ...]:
        """The columns of the table of results."""
        return MEASURES

    @property
    def legend(self) -> str:
        """What the table of results holds, in one sentence."""
        return (
            "Percent of phones (of known place) and of frames that are right, over utterances and seeds, with the 95 % "
            "interval over speakers of the first."
        )

    @property
    def systems(self) -> tuple[str, ...]:
        """The arms, in their order."""
        return tuple(self.arms)

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts of the results, the main one first."""
        several = sum(name != CLEAN for name in self.conditions) > 1
        return (*((MISMATCHED,) if several else ()), *self.conditions)
