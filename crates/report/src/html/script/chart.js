// A chart: its state, its panels, and what its controls change.

const HEIGHTS = { area: 150, stems: 190, line: 210 };
const ALONE = 300;
const NARROWEST = 250;

function chart(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  for (const line of data.lines) line.x ??= data.grid;
  data.choices = markLast(data) ? [...data.epochs, LAST] : data.epochs;
  const state = { log: data.log, epoch: data.choices.at(-1) ?? null, hidden: new Set() };
  const live = figure.querySelector(".live");
  const panels = element("div", { class: "panels" });
  const views = data.panels.map((_, index) => panelView(data, state, index));
  panels.append(...views.map((view) => view.root));
  live.append(bar(figure, data, state, draw), panels);

  function draw() {
    const columns = data.columns === 1 ? 1 : Math.max(1, Math.min(data.columns, Math.floor(panels.clientWidth / NARROWEST)));
    // The panels of a shorter last row are wider, so that the grid has no hole.
    panels.style.setProperty("--basis", `${Math.floor(100 / columns) - 2}%`);
    for (const view of views) view.draw();
  }

  draw();
  let width = panels.clientWidth;
  new ResizeObserver(() => {
    if (panels.clientWidth !== width) {
      width = panels.clientWidth;
      draw();
    }
  }).observe(panels);
}

// Marks the last line of each curve in each panel; whether these are not all of one epoch.
function markLast(data) {
  const last = new Map();
  for (const line of data.lines) {
    const key = `${line.panel} ${line.curve}`;
    if (!last.has(key) || last.get(key).epoch < line.epoch) last.set(key, line);
  }
  for (const line of last.values()) line.isLast = true;
  return new Set([...last.values()].map((line) => line.epoch)).size > 1;
}

// The controls that a chart has a use for.
function bar(figure, data, state, draw) {
  const title = figure.querySelector("h3").textContent;
  const controls = element("div", { class: "controls", role: "group", "aria-label": `Controls of ${title}` });
  if (data.epochs.length > 1) {
    controls.append(epochSlider(data.choices, (epoch) => { state.epoch = epoch; draw(); }));
  }
  if (data.panels.some((panel) => panel.log)) {
    controls.append(logSwitch(data, (log) => { state.log = log; draw(); }));
  }
  controls.append(copyButton(title, () => rowsOf(data)));
  if (data.curves.length > 1) {
    const legend = element("div", { class: "legend", role: "group", "aria-label": "Curves" });
    const changed = (index, shown) => {
      if (shown) state.hidden.delete(index);
      else state.hidden.add(index);
      draw();
    };
    legend.append(...data.curves.map((_, index) => curveSwitch(data, index, changed)));
    controls.append(legend);
  } else if (data.marked > 0) {
    controls.append(element("span", { class: "control marked-sample" }, `the first ${data.marked} are marked`));
  }
  return controls;
}

// The lines of a panel that are shown now.
function visible(data, state, panel) {
  const shown = (line) => line.panel === panel && !state.hidden.has(line.curve);
  const chosen = (line) => (state.epoch === LAST ? line.isLast : line.epoch === null || line.epoch === state.epoch);
  return data.lines.filter((line) => shown(line) && chosen(line));
}

function panelView(data, state, index) {
  const panel = data.panels[index];
  const name = panel.title || panel.yTitle;
  const heading = element("div", { class: "heading" }, element("span", { class: "name" }, panel.title));
  const remark = element("span", { class: "remark" });
  heading.append(remark);
  const svg = shape("svg", { tabindex: 0, role: "application", "aria-roledescription": "chart", class: "panel" });
  svg.setAttribute("aria-label", `${name}: arrow keys read the points, up and down change the curve`);
  const tip = element("div", { class: "tip", "aria-hidden": "true" });
  tip.hidden = true;
  const root = element("div", { class: "view" }, heading, element("div", { class: "stage" }, svg, tip));
  let at = null;

  function draw() {
    const width = Math.max(160, root.clientWidth);
    const height = data.panels.length === 1 ? ALONE : HEIGHTS[data.style];
    const y = state.log && panel.log ? panel.log : panel.linear;
    at = frame(panel.x, y, width, height);
    const lines = visible(data, state, index);
    svg.replaceChildren();
    fill(svg, { width, height, viewBox: `0 0 ${width} ${height}` }, []);
    // Panels below one another have the same horizontal axis, which is named once.
    const named = data.columns > 1 || index + 1 === data.panels.length;
    drawAxes(svg, at, named ? clipped(panel.xTitle, at.right - at.left) : "", fitting(panel.yTitle, data.names[1], height));
    for (const line of lines) drawLine(svg, data, line, at, lines.length === 1);
    remark.textContent = lines.length === 1 ? lines[0].remark : "";
    tip.hidden = true;
  }

  makeReadable(svg, tip, () => ({ data, at, lines: visible(data, state, index) }));
  return { root, draw };
}

// The title of a horizontal axis, without its middle where the axis is shorter.
function clipped(title, width) {
  const most = Math.max(8, Math.floor(width / 6.2));
  if (title.length <= most) return title;
  const head = Math.ceil((most - 1) / 2);
  return `${title.slice(0, head)}…${title.slice(title.length - (most - 1 - head))}`;
}

// The title of a vertical axis, or a word for it where the axis is shorter.
function fitting(title, word, height) {
  const most = Math.floor((height - MARGIN.bottom) / 6.2);
  return title.length > most && word !== "value" ? word : title;
}

// All points of a chart, at all epochs.
function rowsOf(data) {
  const timed = data.epochs.length > 0;
  const head = ["panel", "curve", ...(timed ? ["epoch"] : []), ...data.names, "low", "high"];
  const rows = data.lines.flatMap((line) => line.x.map((x, index) => [
    data.panels[line.panel].title || data.panels[line.panel].yTitle,
    data.curves[line.curve].name,
    ...(timed ? [line.epoch] : []),
    data.places.length > 0 ? data.places[x] : x,
    line.y[index],
    line.low && line.low[index],
    line.high && line.high[index],
  ]));
  return [head, ...rows];
}
