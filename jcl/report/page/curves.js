// The curves of one metric, one a run, over each other. A page has each metric in an element.
const metrics = new Map(
  [...document.querySelectorAll("script.metric")].map((element) => [element.dataset.name, element]),
);
const metric = document.getElementById("metric");
const logarithmic = document.getElementById("log");
const MARGIN = { left: 64, right: 14, top: 10, bottom: 38 };
const REACH = 40; // pixels from the pointer to a curve
let curves = [];
let curvePlot;
let axes;

function readCurves() {
  const { steps, curves: found } = read(metrics.get(metric.value));
  curves = found.map(([run, which, values]) => ({ run, group: runs[run].group, steps: steps[which], values }));
}

const drawable = (value) => value !== null && (!logarithmic.checked || value > 0);

function axesOf(shown) {
  let [first, last, low, high] = [Infinity, -Infinity, Infinity, -Infinity];
  for (const { steps, values } of shown) {
    first = Math.min(first, steps[0]);
    last = Math.max(last, steps.at(-1));
    for (const value of values) {
      if (drawable(value)) [low, high] = [Math.min(low, value), Math.max(high, value)];
    }
  }
  if (low > high) return null;
  const scale = logarithmic.checked ? Math.log10 : (value) => value;
  let [bottom, top] = [scale(low), scale(high)];
  const pad = (top - bottom) * 0.04 || Math.abs(top) * 0.05 || 1;
  [bottom, top] = [bottom - pad, top + pad];
  const width = curvePlot.width - MARGIN.left - MARGIN.right;
  const height = curvePlot.height - MARGIN.top - MARGIN.bottom;
  return {
    ...{ first, last, bottom, top },
    x: (step) => MARGIN.left + (width * (step - first)) / (last - first || 1),
    y: (value) => MARGIN.top + (height * (top - scale(value))) / (top - bottom),
    step: (x) => first + ((last - first) * (x - MARGIN.left)) / width,
  };
}

function drawAxes(context) {
  const [right, foot] = [curvePlot.width - MARGIN.right, curvePlot.height - MARGIN.bottom];
  context.strokeStyle = style("--line");
  context.fillStyle = style("--soft");
  context.lineWidth = 1;
  context.textBaseline = "middle";
  context.textAlign = "right";
  for (const tick of ticks(axes.bottom, axes.top, 5)) {
    const value = logarithmic.checked ? 10 ** tick : tick;
    const y = Math.round(axes.y(value)) + 0.5;
    context.beginPath();
    context.moveTo(MARGIN.left, y);
    context.lineTo(right, y);
    context.stroke();
    context.fillText(show(value), MARGIN.left - 8, y);
  }
  context.textAlign = "center";
  for (const tick of ticks(axes.first, axes.last, Math.max(2, curvePlot.width / 130), 1)) {
    context.fillText(tick.toLocaleString("en"), axes.x(tick), foot + 12);
  }
  context.fillText("step (completed updates)", (MARGIN.left + right) / 2, foot + 29);
}

function trace(context, { steps, values }) {
  let open = false;
  context.beginPath();
  values.forEach((value, i) => {
    const ok = drawable(value);
    if (ok && !open) context.moveTo(axes.x(steps[i]), axes.y(value));
    if (ok) context.lineTo(axes.x(steps[i]), axes.y(value)); // a point alone is a dot
    open = ok;
  });
  context.stroke();
}

function drawCurves() {
  const shown = curves.filter(({ group }) => isShown(group));
  axes = axesOf(shown);
  wipe(curvePlot, curvePlot.below);
  if (!axes) {
    curvePlot.below.fillStyle = style("--soft");
    curvePlot.below.fillText(shown.length ? "No value can be drawn." : "No curve is chosen.", MARGIN.left, 40);
    return;
  }
  drawAxes(curvePlot.below);
  curvePlot.below.lineWidth = shown.length > 12 ? 1 : 1.5;
  curvePlot.below.globalAlpha = shown.length > 100 ? 0.5 : 0.85;
  for (const curve of shown) {
    curvePlot.below.strokeStyle = colourOf(curve.group, groups.length);
    trace(curvePlot.below, curve);
  }
  curvePlot.below.globalAlpha = 1;
}

// Above the rest: what is near the pointer, with a rim of the page's colour.
function drawNear() {
  const context = curvePlot.above;
  wipe(curvePlot, context);
  if (!axes || !chosen.near) return;
  const { group, run, at } = chosen.near;
  for (const curve of curves) {
    if (curve.group !== group || !isShown(group) || (run !== undefined && curve.run !== run)) continue;
    for (const [colour, width] of [[style("--page"), 6], [colourOf(group, groups.length), 2.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = width;
      trace(context, curve);
    }
    if (at === undefined) continue;
    context.fillStyle = colourOf(group, groups.length);
    context.beginPath();
    context.arc(axes.x(curve.steps[at]), axes.y(curve.values[at]), 5, 0, 7);
    context.fill();
  }
}

// Where in a rising list the number nearest to another stands.
function nearest(list, wanted) {
  let [low, high] = [0, list.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (list[middle] <= wanted) low = middle;
    else high = middle;
  }
  return wanted - list[low] <= list[high] - wanted ? low : high;
}

function pointAt(x, y) {
  let found = null;
  let least = REACH;
  for (const curve of curves) {
    if (!axes || !isShown(curve.group)) continue;
    const at = nearest(curve.steps, axes.step(x));
    if (!drawable(curve.values[at])) continue;
    const away = Math.hypot(axes.y(curve.values[at]) - y, Math.max(0, Math.abs(axes.x(curve.steps[at]) - x) - REACH / 2));
    if (away < least) [found, least] = [{ ...curve, at }, away];
  }
  return found;
}

function startCurves() {
  if (!metrics.size) return;
  document.getElementById("curves").hidden = false;
  for (const figure of document.querySelectorAll("figure.replaced")) figure.remove();
  metric.append(...[...metrics.keys()].map((name) => new Option(name)));
  curvePlot = makePlot(document.getElementById("curve-plot"), "Curves of all runs that are shown; the table's rows pick them");
  readCurves();
  let drawn = "";
  const draw = () => {
    const now = [metric.value, logarithmic.checked, dark.matches, curvePlot.fits, ...[...groups.keys()].filter(isShown)].join();
    if (now !== drawn) drawCurves();
    drawn = now;
    drawNear();
  };
  metric.addEventListener("change", () => (readCurves(), changed()));
  logarithmic.addEventListener("change", changed);
  const move = (event) => {
    chosen.near = pointAt(event.offsetX, event.offsetY);
    changed();
    if (!chosen.near) return hideTip();
    const { run, group, steps, values, at } = chosen.near;
    showTip(event.clientX, event.clientY, {
      title: runs[run].name,
      lines: [`step ${steps[at].toLocaleString("en")}: ${metric.value} ${show(values[at])}`],
      soft: groups[group].label,
    });
  };
  follow(curvePlot, move, () => ((chosen.near = null), hideTip(), changed()));
  curvePlot.element.addEventListener("click", () => chosen.near && isolate(chosen.near.group));
  parts.push(draw);
}
