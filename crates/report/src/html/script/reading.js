// Reading a point of a panel, under the pointer or by the arrow keys.

// What is said of a point.
function describe(data, line, index) {
  const [xName, yName] = data.names;
  const x = data.places.length > 0 ? data.places[line.x[index]] : significant(line.x[index], 4);
  const value = withInterval(line.y[index], line.low && line.low[index], line.high && line.high[index]);
  const told = [data.curves[line.curve].name, `${xName} = ${x}`];
  if (line.epoch !== null) told.push(`epoch ${line.epoch}`);
  const unit = yName === "value" ? data.panels[line.panel].yTitle : yName;
  told.push(`${unit} = ${value}`);
  if (line.least && line.least[index] !== null) {
    told.push(`over bandwidths ${significant(line.least[index], 2)} to ${significant(line.most[index], 2)}`);
  }
  return told.filter((text) => text !== "");
}

// The point of the visible lines that is nearest to a place in the panel.
function nearest(lines, at, x, y) {
  let found = null;
  for (const line of lines) {
    line.x.forEach((value, index) => {
      if (!has(at.y, line.y[index])) return;
      const distance = Math.hypot(at.across(value) - x, 0.35 * (at.up(line.y[index]) - y));
      if (!found || distance < found.distance) found = { line, index, distance };
    });
  }
  return found;
}

// Makes a panel's drawing readable; `state` gives its data, lines and frame as they are now.
function makeReadable(svg, tip, state) {
  let point = null;

  function show(next) {
    svg.querySelector(".reading")?.remove();
    point = next;
    if (!next) {
      tip.hidden = true;
      return;
    }
    const { data, at } = state();
    const { line, index } = next;
    const [x, y] = [at.across(line.x[index]), at.up(line.y[index])];
    const ring = shape("circle", { cx: x, cy: y, r: 5 });
    const plumb = shape("line", { x1: x, x2: x, y1: at.top, y2: at.bottom });
    svg.append(shape("g", { class: "reading", "aria-hidden": "true" }, plumb, ring));
    tip.replaceChildren(...describe(data, line, index).map((text) => element("div", {}, text)));
    tip.hidden = false;
    const left = x > at.width / 2 ? x - tip.offsetWidth - 10 : x + 10;
    tip.style.left = `${Math.max(0, Math.min(left, at.width - tip.offsetWidth))}px`;
    tip.style.top = `${Math.max(0, Math.min(y - 10, at.height - tip.offsetHeight))}px`;
  }

  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const { lines, at } = state();
    show(nearest(lines, at, event.clientX - box.left, event.clientY - box.top));
  });
  svg.addEventListener("pointerleave", () => show(null));
  svg.addEventListener("blur", () => show(null));

  // Left and right along a line, up and down between lines.
  svg.addEventListener("keydown", (event) => {
    const { data, lines } = state();
    const steps = { ArrowRight: [1, 0], ArrowLeft: [-1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1], Home: [-Infinity, 0], End: [Infinity, 0] };
    if (event.key === "Escape") show(null);
    const step = steps[event.key];
    if (!step || lines.length === 0) return;
    event.preventDefault();
    const row = point ? Math.max(0, lines.findIndex((line) => line.curve === point.line.curve)) : 0;
    const line = lines[(row + step[1] + lines.length) % lines.length];
    const last = line.x.length - 1;
    const index = Math.min(last, Math.max(0, point ? point.index + step[0] : 0));
    show({ line, index });
    say(describe(data, line, index).join(", "));
  });
}
