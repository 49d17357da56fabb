// A canvas for what changes seldom, one above it for what follows the pointer, and the box of words.
const tip = document.getElementById("tip");

function makePlot(place, label) {
  const [below, above] = [make("canvas"), make("canvas", { tabIndex: 0, ariaLabel: label })];
  above.setAttribute("role", "img");
  place.append(below, above);
  const plot = { below: below.getContext("2d"), above: above.getContext("2d"), element: above, fits: 0 };
  const fit = () => {
    plot.fits += 1; // which wipes it
    [plot.width, plot.height] = [place.clientWidth, place.clientHeight];
    for (const canvas of [below, above]) {
      canvas.width = plot.width * devicePixelRatio;
      canvas.height = plot.height * devicePixelRatio;
      canvas.getContext("2d").setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    }
  };
  new ResizeObserver(() => (fit(), changed())).observe(place);
  fit();
  return plot;
}

function wipe(plot, context) {
  context.clearRect(0, 0, plot.width, plot.height);
  context.font = `12px ${style("--sans")}`;
  context.lineJoin = context.lineCap = "round";
}

// What a plot does where the pointer or a finger is, and when it is gone. A finger that was lifted is
// where it was, until another place is touched.
function follow({ element }, move, leave) {
  for (const kind of ["pointermove", "pointerdown"]) element.addEventListener(kind, move);
  element.addEventListener("pointerleave", (event) => event.pointerType === "touch" || leave());
  document.addEventListener("pointerdown", ({ target }) => target === element || tip.hidden || leave());
}

// About as many round numbers as asked for, from low to high, and at least so far apart.
function ticks(low, high, count, least = 0) {
  const rough = Math.max((high - low) / count, least) || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= rough);
  const found = [];
  for (let i = Math.ceil(low / step); i * step <= high + step * 1e-9; i++) found.push(i * step);
  return found;
}

function showTip(x, y, { title, lines, soft = "", picture }) {
  const [canvas, words] = tip.children;
  words.replaceChildren(
    make("strong", { textContent: title }),
    ...lines.map((line) => make("div", { textContent: line })),
    make("div", { textContent: soft, className: "soft" }),
  );
  canvas.hidden = !picture;
  if (picture) {
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = false;
    context.drawImage(...picture, 0, 0, canvas.width, canvas.height);
  }
  tip.hidden = false;
  const left = x + 16 + tip.offsetWidth > innerWidth ? x - 16 - tip.offsetWidth : x + 16;
  const top = Math.min(y + 16, innerHeight - tip.offsetHeight - 4);
  tip.style.left = `${Math.max(4, left)}px`;
  tip.style.top = `${Math.max(4, top)}px`;
}

const hideTip = () => (tip.hidden = true);
