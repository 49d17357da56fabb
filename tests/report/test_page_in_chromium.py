"""The page of a report in Debian's Chromium, which `make test-slow` installs: pointer and keys."""

import shutil

import numpy as np
import pytest
from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

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
    yield driver
    errors = [said for said in driver.get_log("browser") if said["level"] == "SEVERE"]
    assert not errors, errors
    assert driver.execute_script("return window.harmed") is None


def find(page, css):
    return page.find_element(By.CSS_SELECTOR, css)


def column(page, title):
    """What stands in the rows that are to be seen, from top to bottom."""
    heads = [head.text for head in page.find_elements(By.CSS_SELECTOR, "thead th")]
    (place,) = [i for i, head in enumerate(heads) if title in head.replace("\n", "")]
    rows = [row for row in page.find_elements(By.CSS_SELECTOR, "tbody tr") if row.is_displayed()]
    return [row.find_elements(By.TAG_NAME, "td")[place].text for row in rows]


def heading(page, title):
    return page.find_element(By.XPATH, f"//th/button[contains(., '{title}')]")


def point(page, css, x, y):
    """Moves the pointer to a place of an element, in pixels from its upper left corner."""
    element = find(page, css)
    size = element.size
    right, down = round(x - size["width"] // 2), round(y - size["height"] // 2)
    ActionChains(page, 0).move_to_element_with_offset(element, right, down).perform()


def tip(page):
    found = find(page, "#tip")
    return found.text.splitlines() if found.is_displayed() else None


CURVES, MAP = "#curve-plot canvas:last-child", "#map-plot canvas:last-child"


def last_values(page):
    """What is said along the right end of the curves, from top to bottom, each once."""
    size = find(page, CURVES).size
    found = []
    for y in range(10, size["height"] - 30, 24):
        point(page, CURVES, size["width"] - 15, y)
        if (said := tip(page)) and said[:2] not in found:
            found.append(said[:2])
    return found


def test_headings_sort_by_pointer_and_by_key(page):
    assert column(page, "batch_size") == ["64", "256", "512"]
    heading(page, "kNN top-1").click()
    assert column(page, "kNN top-1") == ["90.0", "60.0", MISSING]
    heading(page, "kNN top-1").send_keys(Keys.ENTER)
    assert column(page, "kNN top-1") == ["60.0", "90.0", MISSING]
    sorted_by = heading(page, "kNN top-1").find_element(By.XPATH, "..")
    assert sorted_by.get_attribute("aria-sort") == "ascending"
    heading(page, "method").click()
    assert column(page, "method") == sorted([EVIL, "simclr", "simclr"])
    assert len(page.find_elements(By.CSS_SELECTOR, "[aria-sort]")) == 1


@pytest.mark.parametrize(
    ("text", "sizes", "said"),
    [
        ("", ["64", "256", "512"], "3 of 3 settings"),
        ("SimCLR", ["256", "512"], "2 of 3 settings"),
        ("middle", ["256"], "1 of 3 settings"),  # the folder of a run
        ("batch_size>64", ["256", "512"], "2 of 3 settings: batch_size > 64"),
        ("batch>=64 knn <= 60", ["64"], "1 of 3 settings: batch_size >= 64, kNN top-1, % ↑ <= 60"),
        ('"linear top-1">75 method.name!=simclr', ["64"], None),
        ("method=simclr batch=512", ["512"], None),
        ("nothing", [], "0 of 3 settings"),
        ("absent>3", ["64", "256", "512"], "no column has “absent” in its heading"),
        ("knn>", ["64", "256", "512"], "“>” stands alone; write COLUMN>VALUE"),
        ("knn>good", ["64", "256", "512"], "“good” is no number to compare with"),
    ],
)
def test_filter(page, text, sizes, said):
    find(page, "#filter").send_keys(text)
    assert column(page, "batch_size") == sizes
    assert said in (None, find(page, "#matching").text)


def test_the_curve_under_the_pointer_says_its_value_and_a_click_isolates_it(page):
    everything = [["high", "step 20: loss 9"], ["middle", "step 20: loss 5"]]
    everything.append(["low", "step 20: loss 1"])
    assert last_values(page) == everything
    size = find(page, CURVES).size
    point(page, CURVES, size["width"] - 15, size["height"] // 2 - 10)
    assert tip(page)[0] == "middle"
    assert "near" in find(page, "tbody tr:nth-child(2)").get_attribute("class")
    ActionChains(page).click().perform()
    assert last_values(page) == everything[1:2]
    find(page, "#all").click()
    assert last_values(page) == everything
    find(page, "#filter").send_keys("batch_size<500")
    assert last_values(page) == everything[1:]


def test_rows_isolate_by_pointer_and_by_key(page):
    find(page, "tbody tr:nth-child(1) td:nth-child(2)").click()
    assert [name for name, _ in last_values(page)] == ["low"]
    find(page, "tbody tr:nth-child(3) .swatch").send_keys(Keys.SPACE)
    assert [name for name, _ in last_values(page)] == ["high", "low"]
    pressed = page.find_elements(By.CSS_SELECTOR, '.swatch[aria-pressed="true"]')
    assert len(pressed) == 2
    find(page, "tbody tr:nth-child(1) td:nth-child(2)").click()
    assert [name for name, _ in last_values(page)] == ["high"]


def test_any_metric_can_be_drawn(page):
    Select(find(page, "#metric")).select_by_visible_text("step_seconds")
    assert {said for _, said in last_values(page)} == {"step 20: step_seconds 1"}
    find(page, "#log").click()
    assert {said for _, said in last_values(page)} == {"step 20: step_seconds 1"}


def shade_under_the_pointer(page):
    canvas = "document.querySelector('#tip canvas').getContext('2d')"
    return page.execute_script(f"return [...{canvas}.getImageData(64, 64, 1, 1).data]")[:3]


def test_the_map_shows_the_image_under_the_pointer(page):
    size = find(page, MAP).size
    across = min(size["width"], size["height"]) - 24
    classes_of = ["<b>low</b>", "<b>low</b>", "high", "high"]
    for i, (x, y) in enumerate(CORNERS):
        place = size["width"] / 2 + across * x / 6, size["height"] / 2 - across * y / 6
        point(page, MAP, *place)
        assert tip(page) == [f"example {10 * i}", classes_of[i], f"target {i}"]
        np.testing.assert_allclose(shade_under_the_pointer(page), SHADES[i], atol=6)
    point(page, MAP, size["width"] / 2, size["height"] / 2)
    assert tip(page) is None
    find(page, MAP).send_keys(Keys.ARROW_RIGHT)
    assert tip(page)[0] == "example 0"
    find(page, MAP).send_keys(Keys.ARROW_LEFT)
    assert tip(page)[0] == "example 30"
    assert find(page, "#legend").text.split("\n") == ["<b>low</b>", "high"]
    Select(find(page, "#colour")).select_by_value("target")
    assert find(page, "#legend").text.split("\n") == ["target 0", "3"]


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
    assert [name for name, _ in last_values(page)] == ["high", "middle", "low"]  # drawn anew


def test_without_scripts_it_is_a_table_with_figures(driver, address):
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(address)
        rows = driver.find_elements(By.CSS_SELECTOR, "tbody tr")
        assert [row.is_displayed() for row in rows] == [True] * 3
        assert driver.find_element(By.CSS_SELECTOR, "figure.replaced img").is_displayed()
        assert not driver.find_element(By.ID, "filter").is_displayed()
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
