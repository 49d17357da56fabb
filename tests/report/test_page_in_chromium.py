"""The page of a report in Debian's Chromium, which `make test-slow` installs: pointer and keys."""

import io
import shutil
import time

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.actions.action_builder import ActionBuilder
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from selenium.webdriver.support.wait import WebDriverWait

from jcl.probes.kept_map import write_map
from jcl.probes.plots import Map
from jcl.report.__main__ import main
from jcl.report.columns import MISSING
from tests.report.workdirs import classes, write_workdir

pytestmark = pytest.mark.slow

EVIL = "lab:</script><script>window.harmed = true</script><img src=x onerror=window.harmed=true>"
# The last losses lie at a tenth, a half and nine tenths of the plot's height.
LOSSES = {"low": (5.0, 1.0), "middle": (4.0, 5.0), "high": (1.0, 9.0)}
SHADES = [(250, 0, 0), (0, 250, 0), (0, 0, 250), (250, 250, 0)]
CORNERS = np.array([[-3.0, -3.0], [3.0, -3.0], [-3.0, 3.0], [3.0, 3.0]])


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    """Three settings: `middle` has no results, `high` has a map and views."""
    root = tmp_path_factory.mktemp("page")
    given = {
        "low": (classes(0.6, 0.8), 64),
        "middle": (None, 256),
        "high": (classes(0.9, 0.7), 512),
    }
    for name, (results, batch_size) in given.items():
        method = {"name": EVIL if name == "low" else "simclr"}
        write_workdir(
            root / "runs" / name,
            results,
            losses=LOSSES[name],
            batch_size=batch_size,
            method=method,
        )
    figures = root / "runs" / "high" / "figures"
    figures.mkdir()
    Image.new("RGB", (60, 40), (200, 100, 0)).save(figures / "views.png")
    write_map(
        figures,
        Map(np.array([0, 10, 20, 30]), CORNERS),
        label=np.arange(31) // 20,
        target=np.linspace(0, 3, 31),
        class_names=["<b>low</b>", "high"],
        images=[np.full((8, 8, 3), shade, np.uint8) for shade in SHADES],
    )
    assert main([str(root / "runs"), f"--out={root}/out"]) == 0
    return f"file://{root}/out/report.html"


@pytest.fixture(scope="module")
def driver():
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium")
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options, Service(shutil.which("chromedriver")))
    yield driver
    driver.quit()


@pytest.fixture
def page(driver, address):
    wide = {"width": 1280, "height": 2200, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", wide)
    driver.get(address)
    WebDriverWait(driver, 60).until(lambda page: not find(page, "body").get_attribute("aria-busy"))
    yield driver
    errors = [said for said in driver.get_log("browser") if said["level"] == "SEVERE"]
    assert not errors, errors
    assert driver.execute_script("return window.harmed") is None


def find(page, css):
    return page.find_element(By.CSS_SELECTOR, css)


def column(page, title):
    """What stands in the rows that are to be seen, from top to bottom."""
    place = place_of(page, title)
    rows = [row for row in page.find_elements(By.CSS_SELECTOR, "tbody tr") if row.is_displayed()]
    cells = [row.find_elements(By.TAG_NAME, "td") for row in rows]
    return [row[place].text for row in cells if len(row) > 1]  # else it says that there are none


def place_of(page, title):
    heads = page.find_elements(By.CSS_SELECTOR, "thead tr:first-child th")
    (place,) = [i for i, head in enumerate(heads) if title in head.text.replace("\n", "")]
    return place


def heading(page, title):
    return page.find_elements(By.CSS_SELECTOR, "thead tr:first-child th")[place_of(page, title)]


def filter_by(page, title, comparison, text):
    cell = page.find_elements(By.CSS_SELECTOR, "thead tr:nth-child(2) > *")[place_of(page, title)]
    if comparison:
        Select(cell.find_element(By.TAG_NAME, "select")).select_by_visible_text(comparison)
    cell.find_element(By.TAG_NAME, "input").send_keys(text)


# Where a value of a Bokeh plot, which is found by its name, lies in the window.
PLACE = """
const [name, x, y] = arguments;
const model = Bokeh.documents.map((known) => known.get_model_by_name(name)).find(Boolean);
const view = Bokeh.index.find_one(model);
const { left, top } = view.canvas_view.el.getBoundingClientRect();
return [left + view.frame.x_scale.compute(x), top + view.frame.y_scale.compute(y)];
"""
# The words that Bokeh shows at the pointer, line by line; plots are in shadow trees.
TIP = """
const within = (root) => [...root.querySelectorAll("*")].flatMap((element) =>
  element.shadowRoot ? [element, ...within(element.shadowRoot)] : [element]);
const shown = within(document).filter((element) => element.matches(".bk-tooltip-content"));
return shown.flatMap((element) => element.getRootNode().host.style.display === "none" ? []
  : [...element.querySelectorAll("b, div:not(:has(*))")].map((line) => line.textContent));
"""


def point(page, plot, x, y, *, click=False):
    """Moves the pointer to values of a plot."""
    place = [round(value) for value in page.execute_script(PLACE, plot, x, y)]
    builder = ActionBuilder(page, duration=0)
    builder.pointer_action.move_to_location(*place)
    if click:
        builder.pointer_action.click()
    builder.perform()
    time.sleep(0.3)


def tip(page):
    return [line for line in page.execute_script(TIP) if line]


def last_values(page):
    """What is said at the last value of each curve."""
    found = []
    for *_, last in LOSSES.values():
        point(page, "linear", 20, last)
        found.append(tip(page)[:2])
    return found


def picked(page):
    """The batch sizes in the rows that are picked."""
    return [
        row.find_elements(By.TAG_NAME, "td")[place_of(page, "batch_size")].text
        for row in page.find_elements(By.CSS_SELECTOR, "tbody tr.selected")
    ]


def drawn_apart(page):
    """The runs whose curves are not faint; all where none is picked."""
    return page.execute_script(
        "const source = Bokeh.documents[0].get_model_by_name('curves');"
        "return source.selected.indices.map((i) => source.data.name[i]);"
    )


LOW, MIDDLE, HIGH = (
    ["low", "step 20: loss 1"],
    ["middle", "step 20: loss 5"],
    ["high", "step 20: loss 9"],
)


def test_headings_sort_by_pointer_and_by_key(page):
    assert column(page, "batch_size") == ["64", "256", "512"]
    heading(page, "kNN").click()
    assert column(page, "kNN") == ["90.0", "60.0", MISSING]
    order = heading(page, "kNN").find_element(By.CSS_SELECTOR, "[tabindex='0']")
    order.send_keys(Keys.ENTER)
    assert column(page, "kNN") == ["60.0", "90.0", MISSING]
    assert heading(page, "kNN").get_attribute("aria-sort") == "ascending"
    heading(page, "method").click()
    assert column(page, "method") == sorted([EVIL, "simclr", "simclr"])
    assert len(page.find_elements(By.CSS_SELECTOR, "[aria-sort]")) == 1


@pytest.mark.parametrize(
    ("title", "comparison", "text", "sizes"),
    [
        ("method", None, "SimCLR", ["256", "512"]),
        ("method", "Does not contain", "simclr", ["64"]),
        ("batch_size", "Greater than", "64", ["256", "512"]),
        ("batch_size", "Less or equal", "64", ["64"]),
        ("kNN", "Less than", "70", ["64"]),  # and not what was not measured
        ("linear", "Greater than", "75", ["64"]),
        ("linear", "Equals", "70", ["512"]),
        ("seeds", "Equals", "0", ["256"]),
        ("seeds", "Equals", "3", []),
    ],
)
def test_columns_filter(page, title, comparison, text, sizes):
    filter_by(page, title, comparison, text)
    assert column(page, "batch_size") == sizes
    assert find(page, ".dt-info").text == f"{len(sizes)} of 3 settings"


@pytest.mark.parametrize(
    ("text", "sizes"), [("simclr 512", ["512"]), ("middle", ["256"]), ("nothing", [])]
)
def test_search_takes_words_of_a_row_and_of_its_runs_folders(page, text, sizes):
    find(page, "input[type='search']").send_keys(text)
    assert column(page, "batch_size") == sizes


def test_the_curve_under_the_pointer_says_its_value(page):
    assert last_values(page) == [LOW, MIDDLE, HIGH]
    filter_by(page, "batch_size", "Less than", "500")
    assert last_values(page)[:2] == [LOW, MIDDLE]
    assert page.execute_script(
        "return Bokeh.documents[0].get_model_by_name('curves').data.name"
    ) == ["low", "middle"]


def test_a_click_on_a_curve_or_a_row_isolates_it(page):
    point(page, "linear", 20, 5, click=True)
    assert picked(page) == ["256"]
    assert drawn_apart(page) == ["middle"]
    find(page, "tbody tr:nth-child(2) td:nth-child(2)").click()
    assert picked(page) == []
    assert drawn_apart(page) == []
    find(page, "tbody tr:nth-child(3) .dt-select-checkbox").send_keys(Keys.SPACE)
    find(page, "tbody tr:nth-child(1) td:nth-child(2)").click()
    assert picked(page) == ["64", "512"]
    boxes = page.find_elements(By.CSS_SELECTOR, "tbody .dt-select-checkbox")
    assert [box.is_selected() for box in boxes] == [True, False, True]
    assert sorted(drawn_apart(page)) == ["high", "low"]
    point(page, "linear", 15, 8.8, click=True)  # where nothing is
    assert picked(page) == []


def test_any_metric_can_be_drawn(page):
    Select(find(page, "#metric")).select_by_visible_text("step_seconds")
    point(page, "linear", 20, 1)
    assert tip(page)[1] == "step 20: step_seconds 1"
    find(page, "#log").click()
    time.sleep(0.3)
    point(page, "log", 10, 0.5)
    assert tip(page)[1] == "step 10: step_seconds 0.5"


def test_the_map_shows_the_image_under_the_pointer(page):
    classes_of = ["<b>low</b>", "<b>low</b>", "high", "high"]
    ActionChains(page).scroll_to_element(find(page, "#map-plot")).perform()
    for kind in ("class", "target"):
        Select(find(page, "#colour")).select_by_value(kind)
        time.sleep(0.3)
        for i, (x, y) in enumerate(CORNERS):
            point(page, kind, x, y)
            assert tip(page) == [f"example {10 * i}", classes_of[i], f"target {i}"]
            np.testing.assert_allclose(color_beside_the_pointer(page), SHADES[i], atol=6)
    point(page, "target", 0, 0)
    assert tip(page) == []
    legend = "Bokeh.index.find_one(Bokeh.documents[1].get_model_by_name('classes'))"
    said = page.execute_script(f"return {legend}.model.items[0].get_labels_list_from_label_prop()")
    assert said == ["<b>low</b>", "high"]


def color_beside_the_pointer(page):
    """Of the middle of the thumbnail."""
    box = page.execute_script(
        TIP.split("const shown")[0]
        + "const { x, y, width, height } = within(document).find((element) => "
        "element.matches('.thumbnail')).getBoundingClientRect();"
        "return [x + width / 2, y + height / 2];"
    )
    drawn = Image.open(io.BytesIO(page.get_screenshot_as_png())).convert("RGB")
    return drawn.getpixel(tuple(map(round, box)))


def test_views_are_there(page):
    assert find(page, "#views img").get_property("naturalWidth") == 60
    assert [o.text for o in Select(find(page, "#pictured")).options] == ["high"]


def test_light_and_dark_and_a_phone(page):
    def colour():
        return find(page, "body").value_of_css_property("background-color")

    light = colour()
    dark = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", dark)
    assert colour() != light
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
    narrow = {"width": 400, "height": 2200, "deviceScaleFactor": 2, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    assert page.execute_script("return document.documentElement.scrollWidth") == 400
    assert last_values(page) == [LOW, MIDDLE, HIGH]  # drawn anew


def test_without_scripts_it_is_a_table_with_figures(driver, address):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(address)
        rows = driver.find_elements(By.CSS_SELECTOR, "tbody tr")
        assert [row.is_displayed() for row in rows] == [True] * 3
        assert driver.find_element(By.CSS_SELECTOR, "figure.replaced img").is_displayed()
        assert not driver.find_element(By.ID, "curves").is_displayed()
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
