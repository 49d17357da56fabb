"""The plots of a page, which Bokeh draws: the page's script fills their sources.

Text, lines and grounds take their colors from the variables --bk-... of page.css, which differ
between light and dark.
"""

from typing import Any

from bokeh.embed import json_item
from bokeh.layouts import column
from bokeh.models import ColumnDataSource, GlyphRenderer, HoverTool, Legend, LegendItem
from bokeh.palettes import Viridis256
from bokeh.plotting import figure
from bokeh.transform import linear_cmap

from jcl.probes.kept_map import PER_ROW, THUMBNAIL

_TOOLS = "box_zoom,pan,wheel_zoom,reset,save"
_NEAR = 10  # pixels of width in which the pointer meets a curve
_ENLARGED = 4  # times, of thumbnails
_SIDE = _ENLARGED * THUMBNAIL
_LEGEND = {"ncols": 2, "background_fill_alpha": 0, "border_line_color": None, "padding": 0}
_WIDE = {"sizing_mode": "stretch_width"}

# In these, Bokeh escapes what stands for @NAME.
_CURVE = (
    '<div style="max-width: 22rem; overflow-wrap: anywhere; white-space: normal">'
    "<b>@name</b><div>step $snap_x{0,0}: @metric $snap_y{%.5g}</div>"
    '<div style="color: var(--soft)">@setting</div></div>'
)
_EXAMPLE = (
    '<div><div class="thumbnail" style="background: var(--sprite) @place; '
    f"width: {_SIDE}px; height: calc({_SIDE}px * var(--has-sprite)); "
    'image-rendering: pixelated; margin-bottom: .3rem"></div>'
    "<b>example @row</b><div>@class</div><div>@said</div></div>"
)


def curves_plot() -> dict[str, Any]:
    """All curves of one metric over each other, on two scales of which one is to be seen.

    Returns:
        What `Bokeh.embed.embed_item` takes. The source is named "curves" and has a row a run; the
        plots are named "linear" and "log".
    """
    rows = {"xs": [], "ys": [], "color": [], "name": [], "setting": [], "metric": [], "group": []}
    source = ColumnDataSource(rows, name="curves")
    return json_item(column([_curves(source, scale) for scale in ("linear", "log")], **_WIDE))


def map_plot() -> dict[str, Any]:
    """The map of one run's features, colored by class and by target, of which one is to be seen.

    Returns:
        What `Bokeh.embed.embed_item` takes. The source is named "map" and has a row an example; the
        plots are named "class" and "target", the legend "classes".
    """
    rows = {"x": [], "y": [], "row": [], "class": [], "color": [], "target": [], "said": []}
    source = ColumnDataSource({**rows, "place": []}, name="map")
    by_class, by_target = _map("class"), _map("target")
    points = _points(by_class, source, "color")
    named = [LegendItem(label={"field": "class"}, renderers=[points])]
    by_class.add_layout(Legend(items=named, name="classes", **_LEGEND), "below")
    points = _points(by_target, source, linear_cmap("target", Viridis256, None, None))
    bar = points.construct_color_bar(height=10, title="target", background_fill_alpha=0)
    by_target.add_layout(bar, "below")
    return json_item(column([by_class, by_target], **_WIDE))


def _curves(source: ColumnDataSource, scale: str) -> figure:
    plot = figure(
        name=scale, y_axis_type=scale, height=400, tools=f"tap,{_TOOLS}", active_drag=None, **_WIDE
    )
    plot.toolbar.logo = None
    plot.xaxis.axis_label = "step (completed updates)"
    plot.xaxis.formatter.use_scientific = False
    ends = {"xs": "xs", "ys": "ys", "source": source, "line_join": "round"}
    plot.multi_line(
        **ends, line_color="color", line_width=1.5, line_alpha=0.85, nonselection_line_alpha=0.08
    )
    near = plot.multi_line(
        **ends,
        line_color="color",
        line_width=_NEAR,
        line_alpha=0,
        selection_line_alpha=0,
        nonselection_line_alpha=0,
        hover_line_color="color",
        hover_line_width=3,
        hover_line_alpha=1,
    )
    formats = {"$snap_y": "printf"}
    hover = HoverTool(
        tooltips=_CURVE, renderers=[near], line_policy="nearest", limit=1, formatters=formats
    )
    plot.add_tools(hover)
    return plot


def place_on_sprite(number: int, count: int) -> str:
    """Where an example's thumbnail lies on the sprite of `count`, and its width, as CSS has it."""
    down, right = divmod(number, PER_ROW)
    return f"{-_SIDE * right}px {-_SIDE * down}px / {_SIDE * min(count, PER_ROW)}px auto"


def _map(name: str) -> figure:
    plot = figure(name=name, height=480, match_aspect=True, tools=_TOOLS, active_drag=None, **_WIDE)
    plot.toolbar.logo = None
    plot.axis.visible = False
    plot.grid.visible = False
    return plot


def _points(plot: figure, source: ColumnDataSource, color: Any) -> GlyphRenderer:
    points = plot.scatter(
        "x",
        "y",
        source=source,
        size=7,
        fill_color=color,
        fill_alpha=0.85,
        line_color=None,
        hover_line_color="black",
        hover_fill_color=color,
    )
    plot.add_tools(HoverTool(tooltips=_EXAMPLE, renderers=[points], limit=1))
    return points
