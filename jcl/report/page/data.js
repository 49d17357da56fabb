// What the page carries, and which of it is shown. Every part draws itself anew after `changed`.
const read = (element) => JSON.parse(element.textContent);
const { groups, runs } = read(document.getElementById("report"));
const parts = [];
const chosen = {
  matching: new Set(groups.keys()), // groups that the filter lets through
  isolated: new Set(), // groups whose rows were picked; none stands for all
  near: null, // {group, run} under the pointer; `run` is missing over a row
};

const changed = () => parts.forEach((draw) => draw());
const isShown = (group) =>
  chosen.matching.has(group) && (!chosen.isolated.size || chosen.isolated.has(group));

function isolate(group) {
  if (!chosen.isolated.delete(group)) chosen.isolated.add(group);
  changed();
}

const dark = matchMedia("(prefers-color-scheme: dark)");
dark.addEventListener("change", changed);
const style = (name) => getComputedStyle(document.documentElement).getPropertyValue(name);
// Of a few, hues as far apart as they can be; of many, at the golden angle, so that neighbours differ.
function colourOf(number, count) {
  const hue = 25 + (count <= 12 ? (360 / count) * number : 137.508 * number);
  const lightness = (dark.matches ? 0.76 : 0.58) + (number % 2 ? 0.05 : -0.05);
  return `oklch(${lightness} 0.15 ${hue % 360})`;
}

function make(kind, properties = {}, ...children) {
  const element = Object.assign(document.createElement(kind), properties);
  element.append(...children);
  return element;
}

function show(value) {
  if (value === null || value === undefined) return "–";
  const size = Math.abs(value);
  if (size && (size >= 1e6 || size < 1e-3)) return value.toExponential(3);
  return String(Number(value.toPrecision(5)));
}
