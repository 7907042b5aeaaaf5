"""The page of runs in a real browser: opened from disk, without a network."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from fastmath.page.document import write_page
from helpers.jupyter_lab import CHROMIUM, Visit, open_browser, visit
from helpers.made_training import make_grpo_rows, write_rows, write_trainings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None, reason="needs Debian's chromium on the PATH (apt-get install chromium)"),
]
PHONE = 390
"""Width of a phone, in pixels."""
LONG = 100_000
"""Steps of a long training."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with open_browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def address(run_dir: Path, other_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """The page of two runs."""
    path = tmp_path_factory.mktemp("page") / "out.html"
    write_page([run_dir, other_dir], path)
    return path.as_uri()


@pytest.fixture
def seen(browser: Browser, address: str) -> Iterator[Visit]:
    """The page, just opened; it must not complain, ask for anything, or run what a text holds."""
    opened = visit(browser, address, offline=True)
    yield opened
    assert (opened.errors, opened.outside) == ([], [])
    assert opened.page.evaluate("window.hostile") is None
    opened.page.context.close()


def draw(page: Page, selector: str) -> Locator:
    """Bring a figure into view, and wait until it is drawn."""
    figure = page.locator(selector)
    figure.scroll_into_view_if_needed()
    expect(figure.locator(".main-svg").first).to_be_visible(timeout=30_000)
    return figure


def read_traces(figure: Locator, of: str) -> list[dict[str, Any]]:
    """The drawn lines of a kind: their numbers and whether they are visible."""
    return figure.evaluate(
        """(element, of) => element._fullData.filter((trace) => trace.meta?.of === of)
        .map((trace) => ({y: [...trace.y], visible: trace.visible, name: trace.name}))""",
        of,
    )


def test_the_smoothing_is_moved_by_keys(seen: Visit) -> None:
    figure = draw(seen.page, "[data-curves=grpo] .figure")
    before = read_traces(figure, "smoothed")[0]["y"]
    slider = seen.page.locator("[data-curves=grpo] .smoothing")
    slider.focus()
    seen.page.keyboard.press("Home")  # the shortest window: the lines are the values themselves
    values = read_traces(figure, "values")[0]["y"]
    assert before != read_traces(figure, "smoothed")[0]["y"] == pytest.approx(values, nan_ok=True)


def test_axes_become_logarithmic(seen: Visit) -> None:
    figure = draw(seen.page, "[data-curves=grpo] .figure")
    seen.page.get_by_label("logarithmic steps").nth(1).check()
    assert figure.evaluate("element => element._fullLayout.xaxis.type") == "log"


def test_a_run_that_is_hidden_stays_hidden_in_other_colours(seen: Visit) -> None:
    figure = draw(seen.page, "[data-curves=sft] .figure")
    figure.locator(".legendtoggle").first.click()
    hidden = "element => element._fullData.filter((trace) => trace.visible === 'legendonly').length"
    seen.page.wait_for_function(f"element => ({hidden})(element) > 0", arg=figure.element_handle())
    count = figure.evaluate(hidden)
    seen.page.get_by_role("button", name="Dark").click()
    assert figure.evaluate(hidden) == count


def test_a_step_tells_its_values_and_its_completions(seen: Visit) -> None:
    box = seen.page.locator("[data-curves=grpo]")
    box.locator(".steps").focus()
    seen.page.keyboard.press("Home")
    seen.page.keyboard.press("ArrowRight")
    expect(box.locator(".step .told")).to_have_text("1")  # the first is step 0, which was validated alone
    marked = "[...document.querySelector('[data-curves=grpo] .figure')._fullLayout.shapes].at(-1).x0"
    assert seen.page.evaluate(marked) == 1
    expect(box.locator(".values tbody tr").first).to_contain_text("Reward, weighted sum")
    expect(box.locator(".completions h4").first).to_contain_text("alpha, step 1: 3 of 3")
    box.locator("[name=completion-outcome]").select_option("wrong")
    expect(box.locator(".completions h4").first).to_contain_text("1 of 3")
    box.locator(".completions summary").first.click()
    expect(box.locator(".completions .trace").first).to_contain_text("<script>alert(1)</script>")


def test_samples_are_filtered_by_model_and_outcome(seen: Visit) -> None:
    browser = seen.page.locator("#browser")
    browser.locator("[name=model]").select_option("grpo")
    for outcome in ("right", "no answer", "cut"):
        browser.get_by_label(outcome, exact=True).uncheck()
    facts = browser.locator(".list .sample").all_text_contents()
    assert facts
    assert all("wrong" in fact and "· grpo ·" in fact for fact in facts)


def test_samples_are_found_by_their_length_and_their_text(seen: Visit) -> None:
    browser = seen.page.locator("#browser")
    browser.locator("[name=text]").fill("window.hostile")
    browser.locator("[name=most]").fill("256")
    expect(browser.locator(".count")).to_contain_text("samples that fit")
    shown = browser.locator(".list .sample")
    assert {text.partition("p")[2][0] for text in shown.locator(".id").all_text_contents()} == {"0"}
    shown.first.locator("summary").focus()
    seen.page.keyboard.press("Enter")
    expect(shown.first.locator(".statement")).to_contain_text("onerror='window.hostile = true'")


def test_the_box_of_a_sample_is_marked(seen: Visit) -> None:
    browser = seen.page.locator("#browser")
    for outcome in ("wrong", "no answer", "cut"):
        browser.get_by_label(outcome, exact=True).uncheck()
    sample = browser.locator(".list .sample").first
    sample.locator("summary").click()
    answer = sample.locator("summary").text_content().partition("answer ")[2]
    assert answer.startswith(sample.locator(".trace mark").text_content())


def test_more_samples_are_shown_on_request(seen: Visit) -> None:
    browser = seen.page.locator("#browser")
    expect(browser.locator(".list .sample")).to_have_count(20)
    browser.get_by_role("button", name="Show more").click()
    expect(browser.locator(".list .sample")).to_have_count(40)


def test_a_question_of_the_contest_is_opened_by_its_bar(seen: Visit) -> None:
    figure = draw(seen.page, "[data-contest='1'] > .figure")
    bars = "element => element._fullData.filter((trace) => trace.meta?.of === 'questions').map((trace) => trace.y[0])"
    row = figure.evaluate(bars)[-1]
    last = figure.locator(".barlayer .trace").last.locator(".point path").first
    last.click(force=True)
    opened = seen.page.locator("[data-contest='1'] .opened")
    expect(opened.locator("h4").first).to_contain_text(row.partition(" ")[2])


def test_an_opened_question_tells_its_votes_and_what_other_rules_would_have_done(seen: Visit) -> None:
    draw(seen.page, "[data-contest='1'] > .figure")
    box = seen.page.locator("[data-contest='1']")
    box.get_by_role("button", name="the next question").focus()
    seen.page.keyboard.press("Enter")
    opened = box.locator(".opened")
    expect(opened.locator("h4").first).to_have_text("p1: answered 4, right")
    expect(opened).to_contain_text("because the leader is far enough ahead: 3 of 4 votes were for 4, 1 for 1.")
    votes = opened.locator(".votes").first
    expect(votes.locator(".main-svg").first).to_be_visible()
    # Three votes for 4, from 0 votes on and up to the answer.
    assert votes.evaluate("element => [...element._fullData[0].y]") == [0, 1, 2, 3, 3]
    expect(opened.locator("table tbody tr")).to_have_count(3)


@pytest.mark.parametrize("width", [PHONE, 1280, 2560])
def test_nothing_is_wider_than_the_window(browser: Browser, address: str, width: int) -> None:
    opened = visit(browser, address, offline=True, width=width)
    for figure in opened.page.locator("main .figure").all():
        figure.scroll_into_view_if_needed()
    opened.page.locator("#browser summary").first.click()
    opened.page.wait_for_timeout(300)
    assert opened.page.evaluate("document.documentElement.scrollWidth") == width
    opened.page.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_page_and_figures_follow_what_the_reader_likes_and_then_the_button(
    browser: Browser, address: str, scheme: str
) -> None:
    opened = visit(browser, address, offline=True, scheme=scheme)
    figure = draw(opened.page, "[data-curves=sft] .figure")

    def measure() -> tuple[bool, bool]:
        """Whether the ground is dark, and the text of the figure light."""
        ground = read_lightness(opened.page.locator("body"), "backgroundColor")
        return ground < 128, read_lightness(figure.locator(".xtick text").first, "fill") > 128

    assert measure() == (scheme == "dark", scheme == "dark")
    opened.page.locator("#theme").click()
    assert measure() == (scheme == "light", scheme == "light")
    opened.page.context.close()


def read_lightness(element: Locator, of: str) -> float:
    """The mean of red, green and blue of a colour of an element, from 0 to 255."""
    colour = element.evaluate("(element, of) => getComputedStyle(element)[of]", of)
    return sum(float(part) for part in re.findall(r"[\d.]+", colour)[:3]) / 3


def test_keys_skip_the_navigation_and_reach_every_control(seen: Visit) -> None:
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.textContent") == "Skip to the content"
    seen.page.keyboard.press("Enter")
    seen.page.keyboard.press("Tab")
    assert seen.page.evaluate("document.activeElement.closest('section')?.id") == "overview"
    unreachable = (
        "[...document.querySelectorAll('main :is(input, select, button, summary)')].filter((e) => e.tabIndex < 0)"
    )
    assert seen.page.evaluate(f"{unreachable}.length") == 0


def test_every_control_has_a_name(seen: Visit) -> None:
    nameless = """[...document.querySelectorAll('main :is(input, select, button)')]
        .filter((e) => !(e.labels?.length || e.getAttribute('aria-label') || e.textContent.trim()))
        .map((e) => e.outerHTML)"""
    assert seen.page.evaluate(nameless) == []


def test_a_run_that_has_not_begun_opens_without_an_error(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    write_page([tmp_path / "empty"], tmp_path / "out.html")
    opened = visit(browser, (tmp_path / "out.html").as_uri(), offline=True)
    assert (opened.errors, opened.page.locator(".absent").count() > 5) == ([], True)
    opened.page.context.close()


def test_a_hundred_thousand_steps_are_drawn_at_once_and_the_thinning_is_told(browser: Browser, tmp_path: Path) -> None:
    run_dir = write_trainings(tmp_path / "long")
    write_rows(run_dir / "grpo" / "metrics.jsonl", make_grpo_rows(LONG, validated=1000))
    assert write_page([run_dir], tmp_path / "out.html") < 15e6
    opened = visit(browser, "about:blank", offline=True)
    session = opened.page.context.new_cdp_session(opened.page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})  # of the processor, whatever else it does
    opened.page.goto((tmp_path / "out.html").as_uri())
    opened_after = measure_seconds(session)
    draw(opened.page, "[data-curves=grpo] .figure")
    assert measure_seconds(session) - opened_after < 2.0
    note = opened.page.locator("[data-curves=grpo]").get_by_text("of 100,001 steps")
    expect(note).to_contain_text("the lowest and the highest of every stretch")
    assert opened.errors == []
    opened.page.context.close()


def measure_seconds(session: Any) -> float:
    """Seconds that the page's own thread has worked so far."""
    metrics = session.send("Performance.getMetrics")["metrics"]
    return next(metric["value"] for metric in metrics if metric["name"] == "TaskDuration")
