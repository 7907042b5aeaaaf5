"""Nothing that stands in a page can become code."""

import json
import math
import re

import pytest

from fastmath.page.embedding import embed_data, embed_script, render_markdown, write_policy

HOSTILE = "</script><script>alert(1)</script><!--"


def read_back(element: str) -> object:
    return json.loads(re.fullmatch(r"<script [^>]*>(.*)</script>", element, re.DOTALL)[1])


def test_data_come_back_as_they_were() -> None:
    data = {"text": HOSTILE, "numbers": [1, 2.5, None], "sign": "⅔ \u2028"}
    assert read_back(embed_data("x", data)) == data


def test_no_text_ends_the_element_that_holds_it() -> None:
    assert embed_data("x", [HOSTILE]).count("<") == 2  # its own two tags


def test_the_name_of_data_is_escaped() -> None:
    assert 'id="data-a&#34;&gt;"' in embed_data('a">', 1)


def test_what_json_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="JSON"):
        embed_data("x", math.nan)


def test_a_script_that_would_end_early_is_refused() -> None:
    with pytest.raises(ValueError, match="cannot hold in a script"):
        embed_script("const text = '</script>';")


def test_the_policy_names_every_script_by_its_hash_and_fetches_nothing() -> None:
    # printf 'let a;' | openssl dgst -sha256 -binary | base64
    policy = write_policy(["let a;"])
    assert "script-src 'sha256-81WALLbUROF1pWdYjuQYKuIcGgY/+TqVJr8UsV6Tkvo='" in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe-inline" not in policy.partition("script-src")[2].partition(";")[0]


@pytest.mark.parametrize(
    "text",
    ["<img src=x onerror=alert(1)>", "[click](javascript:alert(1))", "![](https://example.org/x.png)", "<b>bold</b>"],
)
def test_markdown_makes_neither_tags_links_nor_images_of_what_stands_in_it(text: str) -> None:
    html = render_markdown(f"| a |\n| :-- |\n| {text} |")
    assert not re.search(r"<(img|a|b|script)\b", html)


def test_a_table_scrolls_by_itself_and_can_be_reached_by_keys() -> None:
    assert '<div class="scroll" tabindex="0"' in render_markdown("| a |\n| :-- |\n| 1 |")
