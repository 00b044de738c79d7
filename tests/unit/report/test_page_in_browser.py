"""The page in a real browser: tables sort, filter, copy and print; nothing is fetched, and nobody is shut out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect
from small_results import MODELS, Results

from smelt.report.render import Cell, Grid, Group, PaperTable, Row, html

pytestmark = pytest.mark.slow
SCORES = "#table-table_1"


@pytest.fixture(scope="module")
def address(reported: Results) -> str:
    reported.page()
    return reported.path("report.html").resolve().as_uri()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The page, opened; what it says to the console or fetches fails the test that made it do so."""
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    opened, heard = context.new_page(), list[str]()
    opened.on("console", lambda message: heard.append(message.text))
    opened.on("pageerror", lambda error: heard.append(str(error)))
    own = (address, "data:", "blob:")
    opened.on("request", lambda request: None if request.url.startswith(own) else heard.append(request.url))
    opened.goto(address)
    opened.wait_for_selector(".interactive")
    yield opened
    context.close()
    assert heard == []


def table(page: Page, name: str) -> Locator:
    """Return a table once it can be sorted: those far from the window are made ready when it comes near."""
    page.locator(name).scroll_into_view_if_needed()
    page.wait_for_selector(f"{name} .tools")
    return page.locator(name)


def rows(found: Locator) -> Locator:
    return found.locator("tbody th[scope=row]")


def test_heads_sort_by_value_with_pointer_and_keyboard(page: Page) -> None:
    scores = table(page, SCORES)
    expect(rows(scores)).to_have_text(MODELS)
    scores.get_by_role("button", name="ner").click()
    expect(rows(scores)).to_have_text(["adopted", "large_32k", "small_8k"])
    scores.get_by_role("button", name="ner").press("Enter")
    expect(rows(scores)).to_have_text(MODELS)
    assert scores.locator("th[aria-sort]").get_attribute("aria-sort") == "ascending"
    # adopted did not run on intent: what is missing stands last in both directions
    scores.get_by_role("button", name="intent").click()
    expect(rows(scores).last).to_have_text("adopted")
    scores.get_by_role("button", name="intent").click()
    expect(rows(scores).last).to_have_text("adopted")


def test_groups_keep_their_order_also_where_their_titles_are_numbers(page: Page, reported: Results) -> None:
    groups = [Group([Row("seen", [Cell(value)])], title) for value, title in (("1", "300, 600"), ("2", "50, 100"))]
    fragment = html(PaperTable("grouped", "Grouped", [Grid("Row", ["Score"], groups)]))
    text = reported.read("report.html").replace('<figure class="table"', f'{fragment}<figure class="table"', 1)
    page.route(page.url, lambda route: route.fulfill(body=text, content_type="text/html"))
    page.reload()
    titles = table(page, "#table-grouped").locator("tbody th.group")
    expect(titles).to_have_text(["300, 600", "50, 100"])
    assert page.locator("#table-grouped tr.title").count() == 2


def test_the_filter_leaves_rows_columns_and_whole_tables(page: Page) -> None:
    scores = table(page, SCORES)
    page.locator("#filter summary", has_text="Models").click()
    page.get_by_label("adopted", exact=True).check()
    expect(rows(scores)).to_have_text(["adopted"])
    assert page.locator("#filter summary", has_text="Models").inner_text() == "Models: adopted"
    page.get_by_role("button", name="Show all models").press("Enter")
    expect(rows(scores)).to_have_text(MODELS)
    page.locator("#filter summary", has_text="Makers").click()
    page.get_by_label("pretrain", exact=True).check()
    expect(rows(scores)).to_have_text(["small_8k", "large_32k"])
    page.locator("#filter summary", has_text="Tasks").click()
    page.get_by_label("ner", exact=True).check()
    assert scores.locator("thead th").all_inner_texts() == ["Model", "ner", "Average"]
    assert page.locator("summary", has_text="Pairs of models on ner").is_visible()
    assert page.locator("summary", has_text="Pairs of models on intent").is_hidden()


def test_tables_are_copied_and_downloaded_as_they_are_shown(page: Page, reported: Results) -> None:
    scores = table(page, SCORES)
    scores.get_by_role("button", name="ner").click()
    expect(rows(scores).first).to_have_text("adopted")
    with page.expect_download() as taken:
        scores.get_by_role("button", name="Download as CSV").click()
    assert taken.value.suggested_filename == "table_1.csv"
    lines = Path(taken.value.path()).read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["Model", "adopted", "large_32k", "small_8k"]
    assert lines[0] == "Model,ner,intent,Average"
    with page.expect_download() as taken:
        scores.get_by_role("button", name="Download as LaTeX").click()
    assert Path(taken.value.path()).read_text(encoding="utf-8") == reported.read("tables", "table_1.tex")
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    scores.get_by_role("button", name="Copy as LaTeX").click()
    scores.get_by_text("Copied").wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == reported.read("tables", "table_1.tex")


def test_links_behind_names_are_no_part_of_them(page: Page) -> None:
    models = table(page, "#table-models")
    assert models.get_by_role("link", name="log of small_8k").get_attribute("href") == "logs/models/small_8k.log"
    models.get_by_role("button", name="Model: Activate to sort").click()
    expect(rows(models).locator("> a")).to_have_text(sorted(MODELS))
    with page.expect_download() as taken:
        models.get_by_role("button", name="Download as CSV").click()
    lines = Path(taken.value.path()).read_text(encoding="utf-8").splitlines()
    assert [line.split(",")[0] for line in lines] == ["Model", *sorted(MODELS)]
    page.locator("#filter summary", has_text="Models").click()
    page.get_by_label("small_8k", exact=True).check()
    expect(rows(models)).to_have_count(1)


def test_heads_explain_themselves_on_focus(page: Page) -> None:
    models = table(page, "#table-models")
    models.get_by_role("button", name="MLM loss").focus()
    assert page.get_by_role("tooltip").inner_text().startswith("Cross-entropy of masked language modelling")
    page.keyboard.press("Escape")
    assert page.get_by_role("tooltip").is_hidden()


def test_paper_shows_what_is_folded(page: Page) -> None:
    pairs = page.locator("#table-pairs-ner")
    assert pairs.is_hidden()
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert pairs.is_visible()
    page.evaluate("dispatchEvent(new Event('afterprint'))")
    assert pairs.is_hidden()


def test_paper_leaves_out_the_study_file_and_provenance_and_says_where_they_are(page: Page) -> None:
    place = page.get_by_text("models/<model>/provenance.json")
    provenance = page.locator("details", has_text="Provenance of small_8k")
    assert (place.is_visible(), provenance.is_visible()) == (False, True)
    page.emulate_media(media="print")
    assert (place.is_visible(), provenance.is_visible()) == (True, False)


def test_a_phone_shows_numbers_beside_names_and_scrolls_tables_alone(page: Page) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    assert page.evaluate("document.documentElement.scrollWidth") == 390
    for row in table(page, SCORES).locator("tbody tr").all():
        first = row.locator("td").first.bounding_box()
        assert first is not None
        assert first["x"] + first["width"] <= 390


def test_charts_say_what_a_mark_is_to_pointer_and_keyboard(page: Page) -> None:
    figure = page.locator("#figure-score-by-vocabulary")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("#figure-score-by-vocabulary.charted")
    assert figure.locator("img").is_hidden()
    marks = figure.locator(".panel").first.locator(".mark-symbol [aria-label]")
    marks.first.hover()
    tooltip = page.get_by_role("tooltip")
    assert tooltip.inner_text().splitlines() == ["small_8k", "8,000 pieces", "50.00, deviation 1.00 over 3 seeds"]
    marks.first.focus()
    page.keyboard.press("ArrowRight")
    expect(tooltip).to_contain_text("large_32k")
    page.keyboard.press("Escape")
    assert tooltip.is_hidden()


def test_the_legend_turns_series_off(page: Page) -> None:
    figure = page.locator("#figure-learning-curves")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("#figure-learning-curves.charted")
    one = figure.locator(".mark-symbol [aria-label^=small_8k]").first
    before = one.get_attribute("opacity")
    figure.get_by_role("button", name="small_8k").press("Enter")
    assert figure.get_by_role("button", name="small_8k").get_attribute("aria-pressed") == "false"
    expect(one).not_to_have_attribute("opacity", before or "1")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_an_accessibility_checker_finds_nothing(page: Page, theme: str) -> None:
    page.emulate_media(color_scheme=theme)
    page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
    for name in [f"#{found}" for found in page.locator("figure.table").evaluate_all("all => all.map(one => one.id)")]:
        table(page, name)
    for figure in page.locator("figure.drawing").all():
        figure.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelectorAll('.chart').length == document.querySelectorAll('.charted').length")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_without_javascript_the_page_is_whole(browser: Browser, address: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(address)
    expect(rows(page.locator(SCORES))).to_have_text(MODELS)
    assert page.locator("#filter").is_hidden()
    assert page.locator("figure.drawing img").first.is_visible()
    context.close()
