"""Every formula of the site is drawn: commands that the drawing does not know are found, and drawings out of size."""

import re
from pathlib import Path

import pytest
import ziamath

EXPLANATION = Path(__file__).parents[2] / "docs" / "explanation"
FORMULA = r"\$\$(.+?)\$\$|\$([^$\n]+?)\$"
TALLEST = 80


def formulas() -> list[tuple[str, str, bool]]:
    found = []
    for page in sorted(EXPLANATION.glob("*.md")):
        for block, inline in re.findall(FORMULA, page.read_text(), re.DOTALL):
            found.append((page.stem, " ".join((block or inline).split()), not block))
    return found


def test_the_pages_have_their_formulas():
    assert len(formulas()) > 80 and {name for name, _, _ in formulas()} >= {"recovery", "price", "contact", "plan"}


@pytest.mark.parametrize("page", sorted({name for name, _, _ in formulas()}))
def test_every_formula_of_a_page_is_drawn(page):
    for name, tex, inline in formulas():
        if name == page:
            drawn = ziamath.Latex(tex, size=17, inline=inline)
            assert 0 < drawn.getsize()[1] < TALLEST, tex
            assert "\\" not in drawn.mathmlstr(), f"an unknown command in {tex}"
