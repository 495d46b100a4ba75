// One panel of a chart: axes, bands, lines and dots, drawn at the width that it has.

const MARGIN = { right: 8, top: 8, bottom: 40 };
const MOST_DOTS = 40;
const DASHES = [null, "7 4", "2 3", "9 3 2 3", "4 2"];

// The marks of curves, so that these differ by more than their colour.
const MARKS = [
  (x, y, r) => shape("circle", { cx: x, cy: y, r }),
  (x, y, r) => shape("rect", { x: x - r, y: y - r, width: 2 * r, height: 2 * r }),
  (x, y, r) => shape("path", { d: `M${x} ${y - 1.3 * r}l${1.2 * r} ${2.2 * r}h${-2.4 * r}Z` }),
  (x, y, r) => shape("path", { d: `M${x} ${y - 1.4 * r}l${1.4 * r} ${1.4 * r}l${-1.4 * r} ${1.4 * r}l${-1.4 * r} ${-1.4 * r}Z` }),
];

// Curves without marks differ by their dashes.
function dashes(data, curve) {
  if (data.style === "area") return DASHES[curve % DASHES.length];
  return data.curves[curve].dashed ? "6 4" : null;
}

function mark(curve, x, y, r) {
  return MARKS[curve % MARKS.length](x, y, r);
}

// Where values lie in a panel of this size.
function frame(x, y, width, height) {
  const labels = y.ticks.map((tick) => tick[1].length);
  const left = 26 + 7 * Math.max(1, ...labels);
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  return {
    x, y, left, right, bottom, top: MARGIN.top, width, height,
    across: (value) => left + position(x, value) * (right - left),
    up: (value) => bottom - position(y, value) * (bottom - MARGIN.top),
  };
}

function drawAxes(svg, at, xTitle, yTitle) {
  const group = shape("g", { class: "axes", "aria-hidden": "true" });
  for (const [value, label] of at.y.ticks) {
    const y = at.up(value);
    if (label) {
      group.append(shape("line", { class: "grid", x1: at.left, x2: at.right, y1: y, y2: y }));
      group.append(shape("text", { x: at.left - 6, y: y + 4, "text-anchor": "end" }, label));
    }
    group.append(shape("line", { x1: at.left - (label ? 4 : 2), x2: at.left, y1: y, y2: y }));
  }
  let free = -Infinity;
  const ordered = [...at.x.ticks].sort((a, b) => a[0] - b[0]);
  for (const [value, label] of ordered) {
    const x = at.across(value);
    group.append(shape("line", { x1: x, x2: x, y1: at.bottom, y2: at.bottom + (label ? 4 : 2) }));
    // Labels that would touch the one before are left out on a narrow page.
    const half = 3.4 * label.length + 2;
    if (label && x - half > free) {
      group.append(shape("text", { x, y: at.bottom + 16, "text-anchor": "middle" }, label));
      free = x + half;
    }
  }
  group.append(shape("path", { d: `M${at.left} ${at.top}V${at.bottom}H${at.right}` }));
  const middle = (at.top + at.bottom) / 2;
  group.append(shape("text", { class: "title", x: (at.left + at.right) / 2, y: at.height - 6, "text-anchor": "middle" }, xTitle));
  const turned = `rotate(-90 12 ${middle})`;
  group.append(shape("text", { class: "title", x: 12, y: middle, "text-anchor": "middle", transform: turned }, yTitle));
  svg.append(group);
}

// Splits the points where one has no place on the axes.
function pieces(line, at, value) {
  const all = [[]];
  line.x.forEach((x, index) => {
    if (has(at.y, value(index))) all.at(-1).push(index);
    else all.push([]);
  });
  return all.filter((piece) => piece.length > 0);
}

// A curve that runs below the end of a logarithmic axis is not drawn along that end.
function path(line, at, values) {
  const point = (index) => `${at.across(line.x[index]).toFixed(1)} ${at.up(values[index]).toFixed(1)}`;
  const above = (index) => has(at.y, values[index]) && position(at.y, values[index]) > 0;
  const seen = (index) => at.y.kind !== "log" || above(index - 1) || above(index) || above(index + 1);
  return pieces(line, at, (index) => (seen(index) ? values[index] : null)).map((piece) => "M" + piece.map(point).join("L")).join("");
}

// The band of an interval. Below the end of a logarithmic axis it ends there.
function drawBand(group, line, at) {
  if (!line.low) return;
  const low = (index) => (has(at.y, line.low[index]) ? at.up(line.low[index]) : at.bottom);
  for (const piece of pieces(line, at, (index) => line.high[index])) {
    if (piece.length === 1 || line.bars) {
      for (const index of piece) {
        const x = at.across(line.x[index]);
        group.append(shape("path", { class: "bar", d: `M${x} ${low(index)}V${at.up(line.high[index])}` }));
      }
      continue;
    }
    const upper = piece.map((index) => `${at.across(line.x[index]).toFixed(1)} ${at.up(line.high[index]).toFixed(1)}`);
    const lower = [...piece].reverse().map((index) => `${at.across(line.x[index]).toFixed(1)} ${low(index).toFixed(1)}`);
    group.append(shape("path", { class: "band", d: `M${upper.join("L")}L${lower.join("L")}Z` }));
  }
}

function drawDots(group, line, at, radius) {
  line.x.forEach((x, index) => {
    if (has(at.y, line.y[index])) group.append(mark(line.curve, at.across(x), at.up(line.y[index]), radius));
  });
}

function drawStems(group, line, at, marked) {
  const foot = at.y.kind === "log" ? at.bottom : at.up(0);
  line.x.forEach((x, index) => {
    if (!has(at.y, line.y[index])) return;
    const [across, up] = [at.across(x), at.up(line.y[index])];
    const stem = shape("g", { class: index < marked ? "marked" : null });
    stem.append(shape("path", { class: "stem", d: `M${across} ${foot}V${up}` }), mark(line.curve, across, up, 2.6));
    group.append(stem);
  });
}

// Draws a line of a chart; `only` if it is the only one in its panel.
function drawLine(svg, data, line, at, only) {
  const curve = data.curves[line.curve];
  const group = shape("g", { class: "line", style: `--c: var(--c${curve.colour})` });
  if (data.style === "area" && only) {
    for (const piece of pieces(line, at, (index) => line.y[index])) {
      const top = piece.map((index) => `${at.across(line.x[index]).toFixed(1)} ${at.up(line.y[index]).toFixed(1)}`);
      const ends = [piece.at(-1), piece[0]].map((index) => `${at.across(line.x[index]).toFixed(1)} ${at.bottom}`);
      group.append(shape("path", { class: "area", d: `M${top.join("L")}L${ends.join("L")}Z` }));
    }
  }
  drawBand(group, { ...line, bars: data.style === "stems" }, at);
  for (const values of [line.least, line.most]) {
    if (values) group.append(shape("path", { class: "range", d: path(line, at, values) }));
  }
  if (data.style === "stems" && only) drawStems(group, line, at, data.marked);
  else {
    if (data.style !== "stems") {
      group.append(shape("path", { class: "stroke", "stroke-dasharray": dashes(data, line.curve), d: path(line, at, line.y) }));
    }
    if (data.style === "stems" || line.x.length <= MOST_DOTS) drawDots(group, line, at, 3);
  }
  svg.append(group);
}
