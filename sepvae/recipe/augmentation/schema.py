"""The schema of a recipe that measures what augmentation is for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from sepvae.augmentation.contract import augmentation_class, split_chain
from sepvae.augmented.config import AugmentConfig
from sepvae.config import Config, parse_config
from sepvae.errors import ConfigError
from sepvae.evaluation.contract import Description
from sepvae.limits import Scale
from sepvae.presets import OF_SPEECH
from sepvae.recipe.common import Hypothesis, Recipe, check_names, without_nulls
from sepvae.recognition.recogniser import RecogniserConfig
from sepvae.recognition.speech import SpeechConfig
from sepvae.report.systems import ShownSystem
from sepvae.settings import merge, preset
from sepvae.systems.roles import Competitor
from sepvae.tables import unknown
from sepvae.training.config import TrainingConfig

# Of a recogniser's output, which no measure of sounds scores.
PHONES, FRAMES = "phone_accuracy", "frame_accuracy"
ACCURACIES = {PHONES: Description("Phones", "%", 1), FRAMES: Description("Frames", "%", 1, shown=())}
# The parts of the results: every condition, and before them all that the recogniser was not trained for.
MISMATCHED, CLEAN = "mismatched", "clean"
# What the speech that the model of speech learns from is called, beside the arms.
UNLABELLED = "unlabelled"
# Speech as it is goes through the same machinery: at a gain of 0 dB.
AS_IT_IS = "gain"
UNCHANGED: dict[str, dict[str, Any]] = {AS_IT_IS: {"gain_db": 0}}


def needs_model(methods: Sequence[str]) -> bool:
    """Return whether one of some chains of augmentations works with the model of speech."""
    return any(augmentation_class(name).needs_model for method in methods for name in split_chain(method))


class AugmentationSettings(Config):
    """How speech is changed: chains of augmentations and their settings, as of `sepvae augment run`."""

    methods: tuple[str, ...] = ()
    copies: int = Field(1, ge=1, le=1000)
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_made(self) -> AugmentationSettings:
        if self.methods:
            self.augment_config(0)
        return self

    def augment_config(self, seed: int, *, subtype: str = "pcm16") -> AugmentConfig:
        """Return the settings of a run of augmentation that writes WAV files."""
        data = {"methods": self.methods, "copies": self.copies, "seed": seed, "settings": self.settings}
        return parse_config(AugmentConfig, {**data, "output": {"subtype": subtype}}, where="augmentation")


class Arm(AugmentationSettings):
    """What a recogniser is trained on beside the utterances themselves.

    With `recordings` its noise and rooms are those of the unlabelled speech, and not synthetic ones. `label` is what a
    page calls it. Without methods it is the floor; where no method works with the model of speech a baseline, unless
    `role` says otherwise.
    """

    recordings: bool = False
    label: str | None = Field(None, min_length=1)
    role: Competitor | None = None

    @model_validator(mode="after")
    def _a_floor_is_a_floor(self) -> Arm:
        if self.role and not self.methods:
            raise ConfigError(f"role = {self.role}: an arm without methods is the floor: leave role out")
        return self

    def shown(self, name: str) -> ShownSystem:
        """Return what a page says of the arm, whose name in the recipe this is."""
        if not self.methods:
            return ShownSystem(name, self.label or "No augmentation", "floor")
        role = "ours" if needs_model(self.methods) else "baseline"
        return ShownSystem(name, self.label or name, self.role or role)


class Condition(Config):
    """A chain of augmentations that the test speech goes through, and its settings; none leaves it clean."""

    description: str = ""
    method: str = AS_IT_IS
    settings: dict[str, dict[str, Any]] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _can_be_made(self) -> Condition:
        self.augmentation(copies=1)
        return self

    def augmentation(self, *, copies: int) -> AugmentationSettings:
        """Return the augmentation that makes the condition; clean speech is played at a gain of 0 dB."""
        settings = self.settings or (UNCHANGED if self.method == AS_IT_IS else {})
        data = {"methods": (self.method,), "copies": copies, "settings": settings}
        return parse_config(AugmentationSettings, data, where="condition")


class ArmHypothesis(Hypothesis):
    """A claim about arms in the part `where` of the results, or in each of them; accuracies are in percent."""

    measure: str = PHONES
    where: str | None = None
    margin: Scale = 1.0

    @field_validator("measure")
    @classmethod
    def _known(cls, measure: str) -> str:
        if measure not in ACCURACIES:
            raise ConfigError(unknown("measure", measure, ACCURACIES))
        return measure


class Folders(Config):
    """Recordings of noise, a folder for each kind, and impulse responses of rooms; both synthetic when not given.

    Of each kind of noise, and of the responses, every second one is for training and the others for the test; noises
    whose names differ by a number alone count as one, where the kind has others.
    """

    noise: str | None = None
    rooms: str | None = None


class VoiceCheckConfig(Config):
    """How it is checked that replacement moves the voice and leaves the phones: targets for each test utterance."""

    targets: int = Field(3, ge=1, le=1000)


class AugmentationRecipe(Recipe):
    """One experiment: who is trained on and who tested, the model of speech, the arms, and the test conditions.

    The speakers are split into `folds`; each is tested once, by recognisers (one for each of `seeds` and each arm) that
    were trained on the others. The model of speech learns from the training speakers alone, without labels: their
    utterances changed by the `unlabelled` chains.
    """

    what: ClassVar[str] = "arm"

    kind: Literal["augmentation"]
    folders: Folders = Folders()
    folds: int = Field(3, ge=2, le=20)
    tested_folds: int | None = Field(None, ge=1, le=20, description="test only the first of them")
    seeds: int = Field(3, ge=1, le=20)
    speech: SpeechConfig = SpeechConfig()
    recogniser: RecogniserConfig = RecogniserConfig()
    model: dict[str, Any] = Field(default_factory=dict, validate_default=True)
    unlabelled: AugmentationSettings = AugmentationSettings(methods=(AS_IT_IS,), settings=UNCHANGED)
    arms: dict[str, Arm] = Field(min_length=1, max_length=500)
    conditions: dict[str, Condition] = Field(min_length=1, max_length=500)
    voice_check: VoiceCheckConfig = VoiceCheckConfig()
    hypotheses: tuple[ArmHypothesis, ...] = ()

    @field_validator("model")
    @classmethod
    def _trains(cls, model: dict[str, Any]) -> dict[str, Any]:
        """Check the settings of the model of speech, and fill in its defaults."""
        return parse_config(TrainingConfig, merge(preset(OF_SPEECH), model), where="model").model_dump(mode="json")

    @field_validator("arms", "conditions", mode="before")
    @classmethod
    def _left_out(cls, named: Any) -> Any:
        return without_nulls(named)

    @model_validator(mode="after")
    def _names(self) -> AugmentationRecipe:
        check_names("arm", self.arms)
        check_names("condition", self.conditions)
        if UNLABELLED in self.arms:
            raise ConfigError(f"arm {UNLABELLED!r}: is what the model of speech learns from: choose another name")
        if MISMATCHED in self.conditions:
            raise ConfigError(f"condition {MISMATCHED!r}: is the mean of all but {CLEAN!r}: choose another name")
        if AS_IT_IS not in self.unlabelled.methods or self.unlabelled.settings.get(AS_IT_IS) != UNCHANGED[AS_IT_IS]:
            raise ConfigError("unlabelled.methods: needs gain with gain_db: 0, the utterances as they are")
        for one in self.hypotheses:
            if one.where is not None and one.where not in self.part_names:
                raise ConfigError(
                    f"hypothesis {one.claim!r}: where: {unknown('condition', one.where, self.part_names)}"
                )
        return self

    @property
    def compared(self) -> tuple[str, ...]:
        """The arms."""
        return tuple(self.arms)

    @property
    def table_measures(self) -> tuple[str, ...]:
        """The columns of the table of results."""
        return tuple(ACCURACIES)

    @property
    def described(self) -> dict[str, Description]:
        """How the accuracies are shown."""
        return ACCURACIES

    @property
    def decisive(self) -> dict[str, Any]:
        """What decides the figures: not what arms are called, and where folders lie."""
        own = {"kind", "seed", "folds", "tested_folds", "seeds", "speech", "recogniser", "model", "unlabelled"}
        arms, conditions = self.arms.items(), self.conditions.items()
        return {
            **self.model_dump(mode="json", include={*own, "voice_check"}),
            "demo_speakers": self.corpus.demo_speakers,
            "arms": {name: arm.model_dump(mode="json", exclude={"label", "role"}) for name, arm in arms},
            "conditions": {name: one.model_dump(mode="json", exclude={"description"}) for name, one in conditions},
            "hypotheses": [claim.decisive for claim in self.hypotheses],
        }

    def completed(self, decisive: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return what decided other figures, with the settings of the model of speech that were added since."""
        try:
            model = TrainingConfig.model_validate(decisive["model"]).model_dump(mode="json")
        except (ConfigError, ValidationError, KeyError, TypeError, AttributeError):
            return decisive
        return {**decisive, "model": model}

    @property
    def legend(self) -> str:
        """What the table of results holds, in one sentence."""
        return (
            "Percent of phones (of known place) and of frames that are right, over utterances and seeds, with the 95 % "
            "interval over speakers of the first."
        )

    @property
    def mismatched(self) -> list[str]:
        """The conditions that are not clean, which the part `mismatched` is the mean of."""
        return [name for name in self.conditions if name != CLEAN]

    @property
    def part_names(self) -> tuple[str, ...]:
        """The conditions, and before them all that are not clean, where there are several."""
        return (*((MISMATCHED,) if len(self.mismatched) > 1 else ()), *self.conditions)
