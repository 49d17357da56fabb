// The map of one group's features with the image under the pointer, and the picture of its views.
const pictured = document.getElementById("pictured");
const colour = document.getElementById("colour");
const legend = document.getElementById("legend");
const MOST_NAMED = 20; // classes in the legend
const VIRIDIS = ["#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725"];
let shared;
let map = null;
let mapPlot;
let underPointer = -1;

function readMap() {
  const { map: found, views } = groups[pictured.value];
  const of = (place) => (place === null ? null : shared[place]);
  document.getElementById("views").hidden = views === null;
  if (views !== null) document.querySelector("#views img").src = of(views);
  document.getElementById("map").hidden = found === null;
  document.getElementById("colour-label").hidden = true;
  map = found && {
    ...{ position: found.position, thumbnail: found.thumbnail, sprite: null },
    ...{ rows: of(found.rows), label: of(found.label), target: of(found.target), names: of(found.class_names) },
  };
  if (!map) return;
  if (found.sprite !== null) {
    const picture = new Image();
    picture.src = of(found.sprite);
    map.sprite = picture;
  }
  document.querySelector("#map figcaption").textContent =
    `t-SNE of ${map.rows.length.toLocaleString("en")} examples; the pointer, or the arrow keys, show an example.`;
  const known = ["label", "target"].filter((name) => map[name]);
  if ([...colour.options].map((option) => option.value).join() !== known.join()) {
    colour.replaceChildren(...known.map((name) => new Option({ label: "class", target: "target" }[name], name)));
  }
  document.getElementById("colour-label").hidden = known.length < 2;
}

// Colours of the points, and what the legend says of them.
function colourMap() {
  const values = map[colour.value];
  legend.replaceChildren();
  if (!values) return map.rows.map(() => style("--soft"));
  if (colour.value === "label") {
    const classes = [...new Set(values)].sort((a, b) => a - b);
    const places = new Map(classes.map((label, place) => [label, place]));
    const of = (label) => colourOf(places.get(label), classes.length);
    if (classes.length > MOST_NAMED) legend.append(`${classes.length} classes`);
    else legend.append(...classes.map((label) => entry(of(label), className(label))));
    return values.map(of);
  }
  const finite = values.filter((value) => value !== null);
  const [low, high] = finite.reduce(([a, b], v) => [Math.min(a, v), Math.max(b, v)], [Infinity, -Infinity]);
  const bar = make("span", { className: "bar" });
  bar.style.background = `linear-gradient(to right, ${VIRIDIS})`;
  legend.append(make("span", { textContent: `target ${show(low)}` }), bar, make("span", { textContent: show(high) }));
  return values.map((value) => (value === null ? style("--soft") : viridis((value - low) / (high - low || 1))));
}

const className = (label) => map.names?.[label] ?? `class ${label}`;

function entry(background, text) {
  const dot = make("span", { className: "dot" });
  dot.style.background = background;
  return make("span", {}, dot, text);
}

function viridis(share) {
  const place = Math.min(share * (VIRIDIS.length - 1), VIRIDIS.length - 1 - 1e-9);
  const [left, part] = [Math.floor(place), place % 1];
  const [from, to] = [VIRIDIS[left], VIRIDIS[left + 1]].map((text) => [1, 3, 5].map((i) => parseInt(text.slice(i, i + 2), 16)));
  return `rgb(${from.map((value, i) => value + part * (to[i] - value))})`;
}

// Where the points lie on the canvas; the same scale both ways, as distances need.
function places() {
  const [xs, ys] = [0, 1].map((axis) => map.position.map((point) => point[axis]));
  const [left, right, bottom, top] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  const scale = Math.min((mapPlot.width - 24) / (right - left || 1), (mapPlot.height - 24) / (top - bottom || 1));
  return map.position.map(([x, y]) => [
    mapPlot.width / 2 + scale * (x - (left + right) / 2),
    mapPlot.height / 2 - scale * (y - (bottom + top) / 2),
  ]);
}

function drawMap() {
  if (!map) return;
  map.places = places();
  pointTo(-1);
  const colours = colourMap();
  wipe(mapPlot, mapPlot.below);
  mapPlot.below.globalAlpha = 0.85;
  map.places.forEach(([x, y], i) => {
    mapPlot.below.fillStyle = colours[i];
    mapPlot.below.beginPath();
    mapPlot.below.arc(x, y, 3, 0, 7);
    mapPlot.below.fill();
  });
  mapPlot.below.globalAlpha = 1;
}

function pointTo(number) {
  underPointer = number;
  wipe(mapPlot, mapPlot.above);
  if (number < 0) return hideTip();
  const [x, y] = map.places[number];
  mapPlot.above.strokeStyle = style("--text");
  mapPlot.above.lineWidth = 2;
  mapPlot.above.beginPath();
  mapPlot.above.arc(x, y, 6, 0, 7);
  mapPlot.above.stroke();
  const lines = [];
  if (map.label) lines.push(className(map.label[number]));
  if (map.target) lines.push(`target ${show(map.target[number])}`);
  const box = mapPlot.element.getBoundingClientRect();
  const picture = map.sprite?.complete && thumbnail(number);
  showTip(box.left + x, box.top + y, { title: `example ${map.rows[number]}`, lines, picture });
}

function thumbnail(number) {
  const size = map.thumbnail;
  const perRow = map.sprite.naturalWidth / size;
  return [map.sprite, size * (number % perRow), size * Math.floor(number / perRow), size, size];
}

function exampleAt(x, y) {
  let [found, least] = [-1, 14]; // pixels
  map.places.forEach((place, i) => {
    const away = Math.hypot(place[0] - x, place[1] - y);
    if (away < least) [found, least] = [i, away];
  });
  return found;
}

function startPictures() {
  const known = [...groups.keys()].filter((group) => "views" in groups[group]);
  if (!known.length) return;
  shared = read(document.getElementById("shared"));
  document.getElementById("pictures").hidden = false;
  pictured.append(...known.map((group) => new Option(runs[groups[group].run].name, group)));
  mapPlot = makePlot(document.getElementById("map-plot"), "Map of features; the arrow keys go from example to example");
  readMap();
  let drawn = "";
  parts.push(() => {
    // The row that was picked last is pictured.
    const last = [...chosen.isolated].at(-1);
    if (last !== chosen.pictured) {
      chosen.pictured = last;
      if (known.includes(last)) pictured.value = last;
    }
    const now = [pictured.value, colour.value, dark.matches, mapPlot.fits].join();
    if (now === drawn) return;
    if (pictured.value !== drawn.split(",")[0]) readMap();
    drawn = now;
    drawMap();
  });
  pictured.addEventListener("change", changed);
  colour.addEventListener("change", changed);
  const element = mapPlot.element;
  follow(mapPlot, (event) => pointTo(exampleAt(event.offsetX, event.offsetY)), () => pointTo(-1));
  element.addEventListener("blur", () => pointTo(-1));
  element.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !map) return;
    event.preventDefault();
    pointTo((underPointer + step + map.rows.length) % map.rows.length);
  });
}
