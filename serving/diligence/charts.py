"""Charts as inline SVG: sharp on paper, no script, no network, and a text for who cannot see them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor, log10

from markupsafe import Markup

Words = Callable[[float], str]
_WIDTH, _HEIGHT = 560, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 14, 12, 44


def percent(share: float, places: int = 0) -> str:
    """Return a share as a person writes it.

    Examples
    --------
    >>> percent(0.0512, 1)
    '5.1\xa0%'
    """
    return f"{share:.{places}%}".replace("%", "\xa0%")


@dataclass(frozen=True)
class _Plane:
    """From figures to places on the paper."""

    right: float
    top: float
    left: float = 0.0

    def x(self, value: float) -> float:
        share = (value - self.left) / (self.right - self.left)
        return round(_LEFT + share * (_WIDTH - _LEFT - _RIGHT), 1)

    def y(self, value: float) -> float:
        return round(_HEIGHT - _BOTTOM - value / self.top * (_HEIGHT - _BOTTOM - _TOP), 1)

    def path(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in zip(xs, ys, strict=True))


def ticks(top: float, bottom: float = 0.0) -> list[float]:
    """Return some round figures between two others.

    Examples
    --------
    >>> ticks(0.23)
    [0.0, 0.05, 0.1, 0.15, 0.2]
    """
    rough = (top - bottom) / 5
    power = 10.0 ** floor(log10(rough))
    step = next(step * power for step in (1, 2, 5, 10) if step * power >= rough * 0.999)
    return [round(place * step, 10) for place in range(ceil(bottom / step - 1e-9), int(top / step + 1e-9) + 1)]


def band(x: Sequence[float], middle: Sequence[float], lower: Sequence[float], upper: Sequence[float],
         alt: str, x_title: str, y_title: str) -> Markup:  # fmt: skip
    """Draw a line with its interval; x are months, y shares."""
    x, middle, lower, upper = ([0.0, *values] for values in (x, middle, lower, upper))
    plane = _Plane(max(x), max(*upper, 1e-6) * 1.06)
    places = [value for value in x if value]
    area = f"{plane.path(x, upper)} {plane.path(list(x)[::-1], list(lower)[::-1])}"
    body = [
        Markup('<polygon class="band" points="{}"/>').format(area),
        Markup('<polyline class="line" points="{}"/>').format(plane.path(x, middle)),
        *(_dot(plane, *point) for point in list(zip(x, middle, lower, upper, strict=True))[1:]),
    ]
    return _paper(alt, [_frame(plane, places, lambda value: f"{value:.0f}", percent_of(plane.top), x_title, y_title),
                        *body])  # fmt: skip


def lorenz(x: Sequence[float], y: Sequence[float], alt: str, x_title: str, y_title: str) -> Markup:
    """Draw a line over shares beside the diagonal, on which all would be equal."""
    plane = _Plane(1.0, 1.0)
    body = [
        Markup('<polyline class="even" points="{}"/>').format(plane.path((0, 1), (0, 1))),
        Markup('<polyline class="line" points="{}"/>').format(plane.path(x, y)),
    ]
    frame = _frame(plane, ticks(1.0), percent, percent_of(plane.top), x_title, y_title)
    return _paper(alt, [frame, *body])


def bids(prices: Sequence[float], chances: Sequence[float], alt: str, x_title: str, y_title: str) -> Markup:
    """Draw chances, which are shares, against prices, which are money."""
    low, high = min(prices), max(prices)
    room = 0.1 * (high - low) or 1.0
    plane = _Plane(high + room, 1.0, max(low - room, 0.0))
    path = Markup('<polyline class="line" points="{}"/>').format(plane.path(prices, chances))
    return _paper(
        alt,
        [_frame(plane, ticks(plane.right, plane.left), lambda price: f"{price:,.0f}", percent, x_title, y_title), path],
    )


def columns(labels: Sequence[str], sides: dict[str, Sequence[float]], alt: str, y_title: str) -> Markup:
    """Draw groups of columns, one of each side a label; values are shares."""
    plane = _Plane(len(labels), max(max(values) for values in sides.values()) * 1.12 or 1.0)
    width = 0.8 / len(sides)
    body = [_frame(plane, [], percent, percent_of(plane.top), "", y_title)]
    for number, (side, values) in enumerate(sides.items()):
        for place, value in enumerate(values):
            left, top = plane.x(place + 0.1 + number * width), plane.y(value)
            wide, high = plane.x(width) - plane.x(0), round(plane.y(0) - top, 1)
            body.append(
                Markup('<rect class="side{}" x="{}" y="{}" width="{:.1f}" height="{}"><title>{}, {}: {}</title></rect>')
                .format(number, left, top, wide, high, labels[place], side, percent(value, 1))
            )  # fmt: skip
        key = _LEFT + 10 + 110 * number
        body.append(Markup('<rect class="side{}" x="{}" y="2" width="10" height="10"/><text x="{}" y="11">{}</text>')
                    .format(number, key, key + 14, side))  # fmt: skip
    every = ceil(len(labels) / 12)
    for place, label in enumerate(labels):
        if place % every == 0:
            body.append(Markup('<text class="tick" text-anchor="middle" x="{}" y="{}">{}</text>')
                        .format(plane.x(place + 0.5), _HEIGHT - _BOTTOM + 15, _short(label, len(labels))))  # fmt: skip
    return _paper(alt, body)


def percent_of(top: float) -> Words:
    """Return how shares up to ``top`` are written: with as many digits as tell its ticks apart."""
    places = 0 if top > 0.05 else 1 if top > 0.005 else 2
    return lambda share: percent(share, places)


def _short(label: str, count: int) -> str:
    most = 22 if count < 5 else 12 if count < 9 else 8
    return label if len(label) <= most else label[: most - 1] + "…"


def _dot(plane: _Plane, at: float, value: float, low: float, high: float) -> Markup:
    words = f"{at:.0f} months: {percent(value, 1)}, 90 % interval {percent(low, 1)} to {percent(high, 1)}"
    return Markup('<circle class="dot" cx="{}" cy="{}" r="3.5"><title>{}</title></circle>').format(
        plane.x(at), plane.y(value), words
    )


def _frame(plane: _Plane, x_ticks: Sequence[float], x_words: Words, y_words: Words, x_title: str,
           y_title: str) -> Markup:  # fmt: skip
    parts = []
    for value in ticks(plane.top):
        y = plane.y(value)
        grid = Markup('<line class="grid" x1="{}" x2="{}" y1="{y}" y2="{y}"/>')
        parts.append(grid.format(_LEFT, _WIDTH - _RIGHT, y=y))
        parts.append(Markup('<text class="tick" text-anchor="end" x="{}" y="{}">{}</text>')
                     .format(_LEFT - 6, y + 4, y_words(value)))  # fmt: skip
    parts += [
        Markup('<text class="tick" text-anchor="middle" x="{}" y="{}">{}</text>')
        .format(plane.x(value), _HEIGHT - _BOTTOM + 15, x_words(value))
        for value in x_ticks
    ]  # fmt: skip
    parts.append(Markup('<text class="axis" text-anchor="middle" x="{}" y="{}">{}</text>')
                 .format((_LEFT + _WIDTH) / 2, _HEIGHT - 8, x_title))  # fmt: skip
    middle = (_HEIGHT - _BOTTOM + _TOP) / 2
    parts.append(Markup('<text class="axis" text-anchor="middle" transform="rotate(-90)" x="{}" y="12">{}</text>')
                 .format(-middle, y_title))  # fmt: skip
    return Markup("").join(parts)


def _paper(alt: str, parts: list[Markup]) -> Markup:
    return Markup('<svg class="chart" role="img" viewBox="0 0 {} {}" aria-label="{}">{}</svg>').format(
        _WIDTH, _HEIGHT, alt, Markup("").join(parts)
    )
