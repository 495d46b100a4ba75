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

// The choice of the last epoch of each curve, where these differ.
const LAST = "last of each";

// A slider through the choices: the epochs that were measured, and perhaps the last of each curve.
function epochSlider(choices, changed) {
  const last = choices.length - 1;
  const slider = element("input", { type: "range", class: "epoch", min: 0, max: last, step: 1 });
  slider.value = last;
  const output = element("output");
  const tell = (choice) => {
    output.textContent = String(choice);
    slider.setAttribute("aria-valuetext", choice === LAST ? "the last epoch of each curve" : `epoch ${choice}`);
  };
  slider.addEventListener("input", () => {
    const choice = choices[slider.value];
    tell(choice);
    changed(choice);
  });
  tell(choices[last]);
  return labelled("epoch", slider, " ", output);
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
