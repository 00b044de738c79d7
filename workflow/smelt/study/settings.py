"""Settings of a task: which languages it is trained, chosen and tested on, and from which files."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints, field_validator, model_validator

from smelt.entry import Distinct, Entry, spelled
from smelt.languages import known_language
from smelt.study.formats import Format
from smelt.study.sources import Shares, Split, takes_something

STANDARD = "standard"  # the setting of task files that have none: all languages together
EACH = "{language}"


def _language_or_each(code: str) -> str:
    return code if code == EACH else known_language(code)


def _not_standard(name: str) -> str:
    if name == STANDARD:
        raise ValueError(f"{STANDARD!r} is the setting of task files without settings: expected another name")
    return name


LanguageOrEach = Annotated[str, AfterValidator(_language_or_each)]

# Without dots, which part the names of tasks: <file>.<setting>.<language>.
SETTING = spelled(r"^[a-z0-9][a-z0-9_-]*$", "a name of a to z, 0 to 9, '_' and '-', with a letter or digit first")
SettingName = Annotated[str, StringConstraints(pattern=SETTING, max_length=64), AfterValidator(_not_standard)]


class SettingSplit(Entry):
    """What a setting changes about one split: a list of languages is enough where nothing else is."""

    languages: Annotated[list[LanguageOrEach], Field(min_length=1), Distinct] | None = None
    """Languages of the split, all by default; `{language}` makes the setting one task for each language."""
    file: str | None = None
    """File in place of the one that `source` names for the split."""
    folder: str | None = None
    """Local folder of that file; the split's by default."""
    take: Shares | None = None
    """Share of the file's examples; the split's by default."""
    format: Format | None = None
    """How that file is written; as the split's by default."""

    @model_validator(mode="before")
    @classmethod
    def _languages_alone(cls, value: Any) -> Any:
        return {"languages": value} if isinstance(value, list) else value

    @field_validator("take")
    @classmethod
    def _takes_something(cls, value: Shares | None) -> Shares | None:
        return None if value is None else takes_something(value)


class Setting(Entry):
    """A way to train and test on the languages of a task."""

    train: SettingSplit = SettingSplit()
    validation: SettingSplit = SettingSplit()
    """What the epoch is chosen on: the training language's, where a transfer is to see no example of the others."""
    test: SettingSplit = SettingSplit()

    @property
    def of_each_language(self) -> bool:
        """Whether the setting makes one task for each language."""
        return any(EACH in (split.languages or []) for split in (self.train, self.validation, self.test))

    def applied(self, name: str, split: Split, language: str | None) -> Split:
        """Return a split of the task's source as the setting has it, for one language where it is of each."""
        change = {"train": self.train, "validation": self.validation, "test": self.test}[name]
        update = {key: value for key, value in dict(change).items() if value is not None}
        if change.languages is not None:
            named = [str(language) if code == EACH else code for code in change.languages]
            update["languages"] = list(dict.fromkeys(named))  # [en, "{language}"] is English once where it is both
        return split.model_copy(update=update)
