// The table: a heading sorts, a row isolates its group, the filter hides rows.
const table = document.querySelector("#runs table");
const body = table.tBodies[0];
const rows = [...body.rows];
const titles = [...table.tHead.rows[0].cells].map((cell) => cell.textContent);
const MISSING = "–";

// Numbers before texts, and what is missing last, whichever way the column is sorted.
function rank(cell) {
  if (cell.textContent === MISSING) return 2;
  return cell.dataset.value === undefined ? 1 : 0;
}

function compare(a, b, sign) {
  const kind = rank(a);
  if (kind !== rank(b)) return kind - rank(b);
  if (kind === 0) return sign * (a.dataset.value - b.dataset.value);
  return kind === 1 ? sign * a.textContent.localeCompare(b.textContent, undefined, { numeric: true }) : 0;
}

function sortBy(column, heading) {
  const cells = new Map(rows.map((row) => [row, row.cells[column]]));
  const scores = heading.classList.contains("score") && !titles[column - 1].endsWith("↓");
  const before = heading.getAttribute("aria-sort");
  const falling = before ? before === "ascending" : scores; // the best first
  for (const other of heading.parentNode.cells) other.removeAttribute("aria-sort");
  heading.setAttribute("aria-sort", falling ? "descending" : "ascending");
  const sorted = rows.toSorted((a, b) => compare(cells.get(a), cells.get(b), falling ? -1 : 1));
  body.append(...sorted);
}

// A word, of the row or a run's folder, or a column with a comparison. Quotes hold words together.
const TERM = /(?:"([^"]*)"|([^\s"<>=!]+))(?:\s*(<=|>=|!=|<|>|=)\s*(?:"([^"]*)"|([^\s"<>=!]+)))?/g;
const TESTS = {
  "<": (a, b) => a < b,
  ">": (a, b) => a > b,
  "<=": (a, b) => a <= b,
  ">=": (a, b) => a >= b,
};

// The column of that title, or else the first that has it within.
function columnOf(name) {
  const lower = titles.map((title) => title.toLowerCase());
  const exact = lower.indexOf(name.toLowerCase());
  return exact >= 0 ? exact : lower.findIndex((title) => title.includes(name.toLowerCase()));
}

// Returns a test of texts and numbers of a row, and how the term was understood.
function termOf([, quoted, plain, sign, quotedValue, plainValue]) {
  const name = quoted ?? plain;
  if (!sign) {
    const word = name.toLowerCase();
    const within = (text) => text.toLowerCase().includes(word);
    return { test: (cells, names) => [...names, ...cells.map((cell) => cell.textContent)].some(within) };
  }
  const column = columnOf(name);
  if (column < 0) throw new Error(`no column has “${name}” in its heading`);
  const value = quotedValue ?? plainValue;
  const number = value.trim() === "" ? NaN : Number(value);
  const said = `${titles[column]} ${sign} ${value}`;
  if (sign in TESTS) {
    if (Number.isNaN(number)) throw new Error(`“${value}” is no number to compare with`);
    const holds = TESTS[sign];
    const test = (cells) =>
      cells[column].dataset.value !== undefined && holds(Number(cells[column].dataset.value), number);
    return { test, said };
  }
  const equal = (cell) =>
    cell.textContent.toLowerCase() === value.toLowerCase() ||
    (cell.dataset.value !== undefined && Number(cell.dataset.value) === number);
  return { test: (cells) => equal(cells[column]) === (sign === "="), said };
}

function termsOf(text) {
  const rest = text.replace(TERM, "").trim();
  if (rest) throw new Error(`“${rest}” stands alone; write COLUMN>VALUE`);
  return [...text.matchAll(TERM)].map(termOf);
}

const field = document.getElementById("filter");
const matching = document.getElementById("matching");
const all = document.getElementById("all");

const namesOf = (group) => runs.filter((run) => run.group === group).map((run) => run.name);

function filter() {
  let terms = [];
  let error = "";
  try {
    terms = termsOf(field.value);
  } catch (wrong) {
    error = wrong.message;
  }
  const holds = (row, names) => terms.every(({ test }) => test([...row.cells].slice(1), names));
  chosen.matching = new Set([...rows.keys()].filter((group) => holds(rows[group], namesOf(group))));
  const said = terms.flatMap((term) => term.said ?? []).join(", ");
  matching.textContent = error || `${chosen.matching.size} of ${rows.length} settings${said && `: ${said}`}`;
  matching.classList.toggle("error", error !== "");
  changed();
}

function startTable() {
  const heads = [...table.tHead.rows[0].cells];
  heads.forEach((heading, column) => {
    const button = make("button", { type: "button", title: "Sort by this column" });
    button.append(...heading.childNodes);
    heading.append(button);
    button.addEventListener("click", () => sortBy(column + 1, heading));
  });
  heads[0].before(make("th", { scope: "col", ariaLabel: "Curves", className: "key" }));
  rows.forEach((row, group) => {
    const name = namesOf(group).join(", ");
    const button = make("button", { type: "button", className: "swatch", title: name, ariaLabel: `Show alone: ${name}` });
    row.prepend(make("td", { className: "key" }, button));
    row.addEventListener("click", () => getSelection().isCollapsed && isolate(group));
    const near = () => ((chosen.near = { group }), changed());
    const away = () => ((chosen.near = null), changed());
    row.addEventListener("pointerenter", near);
    row.addEventListener("pointerleave", away);
    button.addEventListener("focus", near);
    button.addEventListener("blur", away);
  });
  all.addEventListener("click", () => (chosen.isolated.clear(), changed()));
  field.form.addEventListener("submit", (event) => event.preventDefault());
  field.addEventListener("input", filter);
  parts.push(drawTable);
  filter();
}

function drawTable() {
  rows.forEach((row, group) => {
    const button = row.cells[0].firstChild;
    row.hidden = !chosen.matching.has(group);
    row.classList.toggle("near", chosen.near?.group === group);
    row.classList.toggle("faint", !isShown(group));
    button.ariaPressed = chosen.isolated.has(group);
    button.style.background = colourOf(group, groups.length);
  });
  all.hidden = !chosen.isolated.size;
}
