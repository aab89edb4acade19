"""How the site is made: guides in Markdown, the reference from the code itself. `make docs` builds it."""

import sys
from pathlib import Path
from xml.etree import ElementTree

import ziamath
from docutils import nodes
from sphinx.application import Sphinx

ziamath.config.svg2 = False  # one drawing must not lean on another of its page

HERE = Path(__file__).parent
ROOT = HERE.parent
sys.path[:0] = [str(HERE), str(ROOT)]

project = "recoup"
author = "the maintainers of recoup"
language = "en"
exclude_patterns = ["adr/README.md"]
extensions = ["myst_parser", "sphinx.ext.autodoc", "numpydoc"]

html_theme = "furo"
html_title = "recoup"
html_show_copyright = html_show_sphinx = False
html_copy_source = html_show_sourcelink = False
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_math_renderer = "drawn"

myst_enable_extensions = ["dollarmath", "attrs_inline"]
myst_heading_anchors = 3

add_module_names = False
toc_object_entries_show_parents = "hide"
# what a package takes from its modules is told once, in the module
autodoc_default_options = {"members": True, "ignore-module-all": True}
autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
default_role = "py:obj"
numpydoc_show_class_members = False
# a name in backticks that is no object of ours is shown as code; a module that a guide names must be there
nitpicky = True
nitpick_ignore_regex = [(r"py:(?!mod)\w+", ".*")]


def setup(app: Sphinx) -> None:
    """Draw formulas, so that pages need neither scripts nor fonts, and have the reference's pages written."""
    app.add_html_math_renderer("drawn", (_inline, None), (_block, None))
    app.connect("builder-inited", lambda _: _write_reference())


def _write_reference() -> None:
    import reference_pages  # here: it needs the paths above

    reference_pages.write(HERE / "reference" / "made")


def _inline(translator, node: nodes.math) -> None:
    translator.body.append(_drawn(node.astext(), inline=True))
    raise nodes.SkipNode


def _block(translator, node: nodes.math_block) -> None:
    translator.body.append(f'<div class="math">{_drawn(node.astext(), inline=False)}</div>')
    raise nodes.SkipNode


def _drawn(tex: str, inline: bool) -> str:
    formula = ziamath.Latex(" ".join(tex.split()), size=17, inline=inline, color="currentColor", title=tex)
    drawing = formula.svgxml()
    drawing.set("role", "img")
    drawing.set("style", f"vertical-align: {formula.getyofst():.1f}px")
    return ElementTree.tostring(drawing, encoding="unicode")
