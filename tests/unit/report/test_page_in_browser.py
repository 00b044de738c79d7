"""The page in a real browser: tables sort, filter, copy and print; nothing is fetched, and nobody is shut out."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect
from small_results import MODELS, Results

from smelt.files import json_text
from smelt.report.figures.chart import Chart, ChartAxis, Level, Mark, Panel, Series
from smelt.report.figures.tradeoff import CostPoint, front_chart
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


def add(page: Page, reported: Results, fragment: str) -> None:
    """Open the page again with a further figure or table before all others."""
    text = reported.read("report.html").replace('<figure class="', f'{fragment}<figure class="', 1)
    page.route(page.url, lambda route: route.fulfill(body=text, content_type="text/html"))
    page.reload()


def draw(page: Page, reported: Results, chart: Chart) -> Locator:
    """Return a figure of this chart, drawn on the page."""
    script = f'<script type="application/json" class="chart">{json_text(chart.specifications())}</script>'
    add(page, reported, f'<figure class="drawing" id="figure-drawn"><div class="scroll"></div>{script}</figure>')
    page.wait_for_selector("#figure-drawn.charted")
    return page.locator("#figure-drawn")


def test_arrows_to_sort_by_stand_behind_the_last_word_of_a_head(page: Page, reported: Results) -> None:
    head = "a head of many short words that wraps twice"
    add(
        page,
        reported,
        html(PaperTable("heads", "Heads", [Grid("Row", [head] * 9, [Group([Row("r", [Cell("1")] * 9)])] * 2)])),
    )
    apart = (
        table(page, "#table-heads")
        .locator("thead th")
        .nth(1)
        .evaluate(
            """(head) => {
            const last = document.createRange(), title = head.querySelector(".dt-column-title").firstChild;
            last.setStart(title, title.length - 1);
            last.setEnd(title, title.length);
            const button = head.querySelector(".dt-column-order");
            const [word, arrow] = [last, button].map((one) => one.getBoundingClientRect());
            const height = head.getBoundingClientRect().height;
            return [arrow.left - word.right, Math.abs(arrow.bottom - word.bottom), height];
        }"""
        )
    )
    assert apart[0] < 12
    assert apart[1] < 4
    assert apart[2] > 60  # it wraps


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
    add(page, reported, html(PaperTable("grouped", "Grouped", [Grid("Row", ["Score"], groups)])))
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


def test_the_filter_leaves_the_panels_of_chosen_tasks(page: Page) -> None:
    figure = page.locator("#figure-score-by-vocabulary")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("#figure-score-by-vocabulary.charted")
    page.locator("#filter summary", has_text="Tasks").click()
    page.get_by_role("checkbox", name="intent").check()
    assert [box.is_visible() for box in figure.locator(".panel").all()] == [False, True]
    assert page.locator("#figure-learning-curves").is_visible(), "its panels are of no task"
    assert page.locator("#figure-splitting-and-errors").is_hidden(), "all its panels are of ner"
    page.get_by_role("button", name="Show all tasks").press("Enter")
    assert [box.is_visible() for box in figure.locator(".panel").all()] == [True, True]
    alone = page.locator("#figure-splitting-and-errors .panel").bounding_box()
    assert alone is not None
    assert alone["width"] > 600, "one panel has the room of several"
    widths = [box["width"] for mark in figure.locator(".panel svg").all() if (box := mark.bounding_box())]
    assert min(widths) > 250


def test_panels_of_a_model_go_by_it_and_are_not_read_again_for_each_choice(page: Page, reported: Results) -> None:
    pieces, scripts = ChartAxis("pieces"), ChartAxis("script", "names", ["Latin"])
    series = [Series("pieces", [Mark(5, "Latin", ["Latin", "5"])], bars=True)]
    panels = [Panel(name, pieces, scripts, series) for name in ("small_8k", "large_32k", "all")]
    figure = draw(page, reported, Chart(panels))
    boxes, wide = figure.locator(".panel").all(), "one => one.getBoundingClientRect().width"
    before = figure.locator(".panel svg").first.evaluate(wide)
    page.locator("#filter summary", has_text="Models").click()
    page.get_by_role("checkbox", name="adopted").check()
    assert [box.is_visible() for box in boxes] == [False, False, True]
    page.evaluate(
        """() => {
            window.heard = [];
            const parse = JSON.parse;
            JSON.parse = (text) => { heard.push(text.slice(0, 80)); return parse(text); };
            addEventListener("resize", () => heard.push("resize"));
        }"""
    )
    page.get_by_role("checkbox", name="adopted").uncheck()
    page.get_by_role("checkbox", name="small_8k").check()
    assert [box.is_visible() for box in boxes] == [True, False, True]
    assert page.evaluate("heard") == []
    page.wait_for_function(
        "before => { const one = document.querySelector('#figure-drawn .panel svg');"
        " return one.getBoundingClientRect().width > 1.2 * before; }",
        arg=before,
    )
    assert page.evaluate("document.documentElement.scrollWidth") == 1400


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


def test_paper_has_no_thousands_of_pairs_but_says_where_they_are(
    page: Page, reported: Results, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, pairs = page.get_by_text("pairs of models, which stand in statistics"), page.locator("#table-pairs-ner")
    assert place.count() == 0
    whole = reported.read("report.html")
    monkeypatch.setattr("smelt.report.page.write.PAIRS_ON_PAPER", 4)
    try:
        text = reported.page()
    finally:
        reported.path("report.html").write_text(whole, encoding="utf-8")
    page.route(page.url, lambda route: route.fulfill(body=text, content_type="text/html"))
    page.reload()
    assert (place.is_visible(), pairs.count()) == (False, 1)
    page.emulate_media(media="print")
    page.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert (place.is_visible(), pairs.is_visible()) == (True, False)


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


def test_names_beside_many_points_cover_neither_each_other_nor_points(page: Page, reported: Results) -> None:
    found = [
        CostPoint(f"model-{place:02}", 1.1**place, 50 + place, 49.0 + place, 51.0 + place, "") for place in range(20)
    ]
    figure = draw(page, reported, front_chart({"parameters (millions)": found}))
    names = figure.locator(".mark-text.role-mark text:not([opacity='0'])")
    boxes = [box for each in names.all() if (box := each.bounding_box())]
    assert len(boxes) > 10
    assert "model-19" in names.all_text_contents(), "the best has its name"
    points = [box for each in figure.locator(".mark-symbol path").all() if (box := each.bounding_box())]
    covered = [
        (one, other)
        for place, one in enumerate(boxes)
        for other in [*boxes[place + 1 :], *points]
        if abs(one["x"] + one["width"] / 2 - other["x"] - other["width"] / 2) < (one["width"] + other["width"]) / 2 - 2
        and abs(one["y"] + one["height"] / 2 - other["y"] - other["height"] / 2)
        < (one["height"] + other["height"]) / 2 - 4  # a line of text is higher than its letters
    ]
    assert covered == []
    page.emulate_media(media="print")  # charts are hidden: the console stays silent when they have no width
    page.evaluate("dispatchEvent(new Event('resize'))")
    page.wait_for_timeout(200)


@pytest.mark.parametrize("width", [390, 1400])
def test_long_names_of_models_leave_the_axes_as_they_are(page: Page, reported: Results, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    costs = [22.0, 66.0, 110.0, 178.0, 278.0]
    scores = {cost: 60 + cost / 9 for cost in costs}
    found = {
        str(length): [
            CostPoint(f"{cost:g}".ljust(length, "-"), cost, score, score - 1, score + 1, "")
            for cost, score in scores.items()
        ]
        for length in (20, 34, 64)
    }
    figure = draw(page, reported, front_chart(found))
    for panel, length in zip(figure.locator(".panel").all(), found, strict=True):
        marks = {str(each.get_attribute("aria-label")): each for each in panel.locator(".mark-symbol path").all()}
        places = {text.split("-")[0]: (each.bounding_box() or {})["x"] for text, each in marks.items()}
        assert sorted(places, key=places.__getitem__) == [f"{cost:g}" for cost in costs]
        ticks = panel.locator(".role-axis-label text").all_text_contents()
        assert len(ticks) > 6
        assert all(10 <= float(tick.replace("k", "e3")) <= 1000 for tick in ticks if tick), ticks
        own = panel.bounding_box() or {}
        names = panel.locator(".mark-text.role-mark text:not([opacity='0'])").all()
        assert names or length == "64", "what has no room is left out"
        for name in names:
            box = name.bounding_box() or {}
            assert len(name.text_content() or "") == int(length)
            assert own["x"] <= box["x"]
            assert box["x"] + box["width"] <= own["x"] + own["width"]


def test_bars_of_several_series_stand_beside_each_other_from_zero(page: Page, reported: Results) -> None:
    rows = ["no KL", "no MLM"]
    losses = {"ner": [("no KL", 19.0), ("no MLM", -2.0)], "pos": [("no KL", 4.0), ("no MLM", 1.0)]}
    series = [
        Series(task, [Mark(lost, row, [row, f"{lost} on {task}"], lost - 1, lost + 1) for row, lost in own], bars=True)
        for task, own in losses.items()
    ]
    panel = Panel("sl", ChartAxis("lost (points)"), ChartAxis("row", "names", rows), series, [Level(0, "nothing lost")])
    figure = draw(page, reported, Chart([panel]))
    bars = figure.locator(".mark-rect path").all()
    found = {str(bar.get_attribute("aria-label")).splitlines()[1]: bar.bounding_box() or {} for bar in bars}
    first, lower, other = (found[text] for text in ("19.0 on ner", "-2.0 on ner", "4.0 on pos"))
    assert abs(first["x"] - other["x"]) < 2, "both begin at 0"
    assert abs(lower["x"] + lower["width"] - first["x"]) < 2, "what is gained ends there"
    assert first["y"] + first["height"] <= other["y"] + 1
    figure.locator(".mark-rect [tabindex='0'], .mark-rule [tabindex='0']").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_role("tooltip")).to_contain_text("on ner")


@pytest.mark.parametrize("width", [390, 1400])
def test_long_names_of_rows_stand_whole_beside_their_bars(page: Page, reported: Results, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 1000})
    rows = ["short", *(f"distilbert-base-multilingual-cased-without-{'the-' * 4}{last}" for last in "ab"), "x" * 50]
    series = [Series("ner", [Mark(place, row, [row]) for place, row in enumerate(rows, 1)], bars=True)]
    lost = f"lost against {rows[1]} (points)"
    panel = Panel(rows[1], ChartAxis(lost), ChartAxis("row", "names", rows), series)
    figure = draw(page, reported, Chart([panel]))
    for place, text in ((".role-title-text", rows[1]), (".role-axis-title", lost)):
        title = figure.locator(f"{place} text", has_text=rows[1])
        box = title.bounding_box() or {}
        assert title.text_content() == text
        assert box["x"] + box["width"] <= width
    labels = {each.text_content(): each.bounding_box() or {} for each in figure.locator(".role-axis-label text").all()}
    end = 0.0
    for bar, row in zip(figure.locator(".mark-rect path").all(), rows, strict=True):
        box, label = bar.bounding_box() or {}, labels[row]
        assert label["x"] > 0
        assert label["x"] + label["width"] < box["x"]
        assert abs(label["y"] + label["height"] / 2 - box["y"] - box["height"] / 2) < 4, "in the middle of its bar"
        assert label["y"] >= end - 1, "below the one before"
        end = label["y"] + label["height"]
        assert figure.locator(".mark-rect path").last.evaluate("one => one.getBoundingClientRect().width") > width / 4
    assert page.evaluate("document.documentElement.scrollWidth") == width


def test_the_legend_turns_series_off(page: Page) -> None:
    figure = page.locator("#figure-learning-curves")
    figure.scroll_into_view_if_needed()
    page.wait_for_selector("#figure-learning-curves.charted")
    one = figure.locator(".mark-symbol [aria-label^=small_8k]").first
    before = one.get_attribute("opacity")
    figure.get_by_role("button", name="small_8k").press("Enter")
    assert figure.get_by_role("button", name="small_8k").get_attribute("aria-pressed") == "false"
    expect(one).not_to_have_attribute("opacity", before or "1")


def test_names_beside_points_go_with_their_series(page: Page, reported: Results) -> None:
    found = [
        CostPoint(name, cost, score, score - 1, score + 1, "")
        for name, cost, score in (("best", 1, 90.0), ("worse", 5, 70.0))
    ]
    figure = draw(page, reported, front_chart({"parameters (millions)": found}))
    best, worse = (figure.locator(".mark-text.role-mark text", has_text=name) for name in ("best", "worse"))
    figure.get_by_role("button", name="another is better in both").press("Enter")
    expect(worse).to_have_attribute("fill-opacity", "0.06")
    assert best.get_attribute("fill-opacity") in (None, "1")


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
