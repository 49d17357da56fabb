// Hands the table to DataTables and the plots to Bokeh; what one of them shows, the others follow.
const element = (id) => document.getElementById(id);
const read = (id) => JSON.parse(element(id).textContent);
const { groups, runs } = read("report");
document.body.ariaBusy = "true";

const library = URL.createObjectURL(new Blob([read("datatables")], { type: "text/javascript" }));
const { default: DataTable, set_or_remove_dark_class: followScheme } = await import(library);
followScheme(document.documentElement);
// What was not measured is -Infinity there, and stands last whichever way a column is sorted.
const last = (a, b) => (a === -Infinity) - (b === -Infinity);
Object.assign(DataTable.ext.type.order, {
  "num-asc": (a, b) => last(a, b) || a - b,
  "num-desc": (a, b) => last(a, b) || b - a,
});
// The first column is a box to tick, and searched as the names of the row's runs.
const box = DataTable.render.select();
const keyOf = (names, use, ...more) => (use === "filter" ? names : box(names, use, ...more));
Object.assign(keyOf, box); // or Select does not know the boxes as its own
const table = new DataTable("#runs table", {
  order: [],
  paging: false,
  autoWidth: false,
  layout: { topStart: "search", topEnd: "info", bottomStart: null, bottomEnd: null },
  language: {
    search: "Search",
    info: "_TOTAL_ of _MAX_ settings",
    infoEmpty: "0 of _MAX_ settings",
    infoFiltered: "",
  },
  select: { style: "multi" },
  columnControl: [{ target: 1, content: ["search"] }],
  columnDefs: [
    { targets: "key", orderable: false, columnControl: { target: 1, content: [] }, render: keyOf },
    { targets: "falling", orderSequence: ["desc", "asc"] },
  ],
});
const rowsOf = (wanted) => table.rows(wanted).indexes().toArray();
const model = (name) => Bokeh.documents.map((known) => known.get_model_by_name(name)).find(Boolean);

async function startCurves(metrics) {
  const [metric, logarithmic] = [element("metric"), element("log")];
  await Bokeh.embed.embed_item(read("curves-item"), "curve-plot");
  metric.append(...metrics.map(({ dataset }) => new Option(dataset.name)));
  const source = model("curves");
  const groupOf = (curve) => source.data.group[curve];
  const select = () => {
    const picked = new Set(rowsOf({ selected: true }));
    source.selected.indices = [...source.data.group.keys()].filter((i) => picked.has(groupOf(i)));
  };
  const draw = () => {
    const { steps, curves } = JSON.parse(metrics[metric.selectedIndex].textContent);
    const shown = new Set(rowsOf({ search: "applied" }));
    const drawn = curves.filter(([run]) => shown.has(runs[run].group));
    const drawable = (value) => (value !== null && (value > 0 || !logarithmic.checked) ? value : NaN);
    const column = (of) => drawn.map(([run]) => of(runs[run], groups[runs[run].group]));
    source.data = {
      xs: drawn.map(([, which]) => steps[which]),
      ys: drawn.map(([, , values]) => values.map(drawable)),
      color: column((_, group) => group.color),
      name: column((run) => run.name),
      setting: column((_, group) => group.label),
      metric: drawn.map(() => metric.value),
      group: column((run) => run.group),
    };
    model("linear").visible = !logarithmic.checked;
    model("log").visible = logarithmic.checked;
    select();
  };
  metric.addEventListener("change", draw);
  logarithmic.addEventListener("change", draw);
  table.on("search", draw).on("select deselect", select);
  source.selected.change.connect(() => {
    const picked = [...new Set(source.selected.indices.map(groupOf))].sort();
    if (picked.join() === rowsOf({ selected: true }).sort().join()) return;
    table.rows().deselect();
    table.rows(picked).select();
  });
  draw();
}

async function startPictures(known) {
  const [pictured, colour, shared] = [element("pictured"), element("colour"), read("shared")];
  await Bokeh.embed.embed_item(read("map-item"), "map-plot");
  pictured.append(...known.map((group) => new Option(runs[groups[group].run].name, group)));
  const draw = () => {
    const { map, views } = groups[pictured.value];
    element("views").hidden = views === null;
    element("views").firstChild.src = shared[views] ?? "";
    element("map").hidden = map === null;
    colour.parentNode.hidden = map === null || map.colored_by.length < 2;
    if (map === null) return;
    const ways = map.colored_by.map((name) => new Option(name, name, false, name === colour.value));
    colour.replaceChildren(...ways);
    for (const name of ["class", "target"]) model(name).visible = name === colour.value;
    model("classes").visible = map.is_named;
    const style = document.documentElement.style;
    style.setProperty("--sprite", map.sprite === null ? "none" : `url(${shared[map.sprite]})`);
    style.setProperty("--has-sprite", map.sprite === null ? 0 : 1);
    const columns = Object.entries(map.columns);
    const values = (place) => shared[place].map((value) => value ?? NaN);
    model("map").data = Object.fromEntries(columns.map(([name, place]) => [name, values(place)]));
  };
  pictured.addEventListener("change", draw);
  colour.addEventListener("change", draw);
  table.on("select", (event, api, kind, [group]) => {
    if (!known.includes(group)) return;
    pictured.value = group;
    draw();
  });
  draw();
}

const metrics = [...document.querySelectorAll("script.metric")];
const known = [...groups.keys()].filter((group) => "run" in groups[group]);
for (const shown of document.querySelectorAll(".scripted")) shown.hidden = false;
for (const picture of document.querySelectorAll(".replaced")) picture.hidden = metrics.length > 0;
element("curves").hidden = !metrics.length;
element("pictures").hidden = !known.length;
if (metrics.length) await startCurves(metrics);
if (known.length) await startPictures(known);
// Bokeh reads the colors of page.css when it draws.
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  const drawn = ["linear", "log", "class", "target"].map(model).filter(Boolean);
  for (const plot of drawn) Bokeh.index.find_one(plot).request_paint();
});
document.body.ariaBusy = null;
