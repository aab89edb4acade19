"""A decision told to the person whom it is about.

Reasons are topics, not inputs: contributions add up, so that a topic's effect is the sum of its inputs'. What
would change the outcome is asked of the model: the inputs are set as an action would leave them, and the
answer is told as it comes, whichever way it goes.
"""

from typing import Any

from features.errors import RecoupError
from serving.letters.phrases import LANGUAGES, Action, phrases
from serving.scoring import frame_of
from training.package import ModelPackage

_REASONS = 4
_WORTH_TELLING = 0.005
"""Change of the estimate, as a share of what is owed, from which on a topic or an action is told."""


def write(record: dict[str, Any], package: ModelPackage, currency: str, language: str) -> str:
    """Return the letter.

    Parameters
    ----------
    record : dict
        A journalled price.
    package : ModelPackage
        The model that decided.
    currency : str
    language : str
        One of `serving.letters.phrases.LANGUAGES`.

    Raises
    ------
    RecoupError
        When there is no such language, or an input of the model has neither a phrase nor a reason not to be told.
    """
    if language not in LANGUAGES:
        raise RecoupError(f"no letters in {language!r}: choose one of {', '.join(LANGUAGES)}")
    frame = phrases().letter[language]
    effects, rest = reasons(record, package)
    lines = [
        frame.subject.format(loan=record["subject"]),
        "",
        frame.opening.format(
            day=record["decided_at"][:10], rate=_percent(record["score"]), owed=_money(record["unit"], currency)
        ),
    ]
    for heading, told in (
        (frame.raised, [(topic, effect) for topic, effect in effects if effect > 0]),
        (frame.lowered, [(topic, effect) for topic, effect in effects if effect < 0]),
    ):
        if told:
            lines += ["", heading, *[f"- {phrases().topics[topic].of(language)}" for topic, _ in told]]
    if abs(rest) >= _WORTH_TELLING:
        lines += ["", frame.rest.format(way=frame.way_up if rest > 0 else frame.way_down)]
    changed = changes(record, package)
    lines += ["", frame.changes if changed else frame.no_change]
    for action, score in changed:
        found = phrases().actions[action]
        amount = _money((found.pay or 0.0) * record["unit"], currency)
        lines.append(f"- {found.of(language).format(amount=amount, rate=_percent(score))}")
    return "\n".join([*lines, "", frame.rights.format(decision=record["decision_id"])])


def reasons(record: dict[str, Any], package: ModelPackage) -> tuple[list[tuple[str, float]], float]:
    """Return the topics that move a decision most, with their effects as shares of what is owed, and the rest.

    Raises
    ------
    RecoupError
        When an input of the model is not in the catalogue.
    """
    effects = dict(zip(package.names, record["contributions"], strict=True))
    topics = phrases().topics
    placed = {name for topic in topics.values() for name in topic.inputs} | set(phrases().untold)
    if strangers := set(effects) - placed:
        raise RecoupError(f"serving/letters/phrases.yaml has no word for {', '.join(sorted(strangers))}")
    summed = {name: sum(effects.get(one, 0.0) for one in topic.inputs) for name, topic in topics.items()}
    ordered = sorted(summed.items(), key=lambda pair: -abs(pair[1]))
    told = [(topic, effect) for topic, effect in ordered[:_REASONS] if abs(effect) >= _WORTH_TELLING]
    return told, sum(effects.values()) - sum(effect for _, effect in told)


def changes(record: dict[str, Any], package: ModelPackage) -> list[tuple[str, float]]:
    """Return the actions that would change the model's answer, with that answer."""
    answers = {
        name: float(package.scores(frame_of(after(action, record["features"]), package))[0])
        for name, action in phrases().actions.items()
    }
    return [(name, score) for name, score in answers.items() if abs(score - record["score"]) >= _WORTH_TELLING]


def after(action: Action, features: dict[str, Any]) -> dict[str, Any]:
    """Return a model's inputs as an action would leave them; unknown counts start from none."""
    changed = features | {name: value for name, value in action.set.items() if name in features}
    added = action.add | ({"collected_share": action.pay * _still_owed(features)} if action.pay else {})
    return changed | {name: (features[name] or 0.0) + value for name, value in added.items() if name in features}


def _still_owed(features: dict[str, Any]) -> float:
    return max(1 - (features["collected_share"] or 0.0), 0.0)


def _percent(share: float) -> str:
    return f"{share:.0%}" if share >= 0.1 else f"{share:.1%}"


def _money(amount: float, currency: str) -> str:
    return f"{amount:,.0f} {currency}"
