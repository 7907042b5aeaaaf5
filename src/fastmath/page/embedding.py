"""What stands in a page so that nothing in it can become code: data, scripts, and markdown."""

import base64
import hashlib
import json
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markupsafe import Markup

_MARKDOWN = MarkdownIt("commonmark", {"html": False}).enable("table").disable(["autolink", "image", "link"])


def embed_data(name: str, data: Any) -> Markup:
    r"""A script element that holds data as JSON, which a browser does not run; `data-NAME` is its id.

    A `<` stands as `\u003c`, so that no text can end the element or begin a comment in it.

    Raises:
        ValueError: the data hold NaN or an infinity, which JSON does not know.

    Example: `{"a": "</script>"}` becomes `{"a":"\u003c/script>"}`.
    """
    text = json.dumps(data, allow_nan=False, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return Markup('<script type="application/json" id="data-{}">').format(name) + Markup(f"{text}</script>")


def embed_script(source: str) -> Markup:
    """A script element with code of our own or of plotly.

    Raises:
        ValueError: the code holds what would end the element.
    """
    if "</script" in source.lower() or "<!--" in source:
        raise ValueError("the script holds '</script' or '<!--', which a page cannot hold in a script")
    return Markup(f"<script>{source}</script>")


def write_policy(scripts: Sequence[str]) -> str:
    """A Content-Security-Policy under which these scripts run and no others, and nothing is fetched from anywhere.

    Styles may stand in the page, because plotly writes its own; images may be made by the page itself, because a
    figure can be saved as one.
    """
    digests = [base64.b64encode(hashlib.sha256(each.encode()).digest()).decode() for each in scripts]
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(f"'sha256-{digest}'" for digest in digests),
        "style-src": "'unsafe-inline'",
        "img-src": "data: blob:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def render_markdown(text: str) -> Markup:
    """Markdown of the reports as HTML: headings, lists and tables, each table in a box that scrolls by itself.

    HTML in it is shown as text, and it can hold neither links nor images.
    """
    html = _MARKDOWN.render(text)
    opened = html.replace("<table>", '<div class="scroll" tabindex="0" role="region" aria-label="table"><table>')
    return Markup(opened.replace("</table>", "</table></div>"))
