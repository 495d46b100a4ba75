// The controls of a chart: native ones, so that keyboards and screen readers know them.

let controls = 0;

function labelled(text, input, ...more) {
  input.id = `control-${controls += 1}`;
  const label = element("label", { for: input.id }, text);
  const order = input.type === "checkbox" ? [input, label] : [label, input];
  return element("span", { class: "control" }, ...order, ...more);
}

// A switch for the logarithmic axis.
function logSwitch(data, changed) {
  const box = element("input", { type: "checkbox", class: "log" });
  box.checked = data.log;
  box.addEventListener("change", () => changed(box.checked));
  return labelled("logarithmic", box);
}

// A slider through the epochs that were measured.
function epochSlider(data, changed) {
  const last = data.epochs.length - 1;
  const slider = element("input", { type: "range", class: "epoch", min: 0, max: last, step: 1 });
  slider.value = last;
  const output = element("output");
  const show = () => {
    const epoch = data.epochs[slider.value];
    output.textContent = String(epoch);
    slider.setAttribute("aria-valuetext", `epoch ${epoch}`);
    changed(epoch);
  };
  slider.addEventListener("input", show);
  const control = labelled("epoch", slider, " ", output);
  output.textContent = String(data.epochs[last]);
  slider.setAttribute("aria-valuetext", `epoch ${data.epochs[last]}`);
  return control;
}

// A switch for a curve, with a piece of it.
function curveSwitch(data, index, changed) {
  const curve = data.curves[index];
  const box = element("input", { type: "checkbox", class: "curve" });
  box.checked = true;
  box.addEventListener("change", () => changed(index, box.checked));
  const sample = shape("svg", { width: 26, height: 12, "aria-hidden": "true", class: "line", style: `--c: var(--c${curve.colour})` });
  if (data.style !== "stems") sample.append(shape("path", { class: "stroke", "stroke-dasharray": dashes(data, index), d: "M1 6H25" }));
  if (data.style !== "area") sample.append(mark(index, 13, 6, 3));
  return labelled(curve.name, box, sample);
}
