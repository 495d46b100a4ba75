// After the page's script: uses every control and notes what does not change as it should.
const expect = (holds, what) => { if (!holds) window.faults.push(what); };
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const fire = (node, type) => node.dispatchEvent(new Event(type, { bubbles: true }));
const picture = (figure) => all("svg.panel", figure).map((svg) => svg.innerHTML).join("");
const title = (figure) => figure.querySelector("h3").textContent;

function controls(figure) {
  const data = JSON.parse(figure.querySelector("script").textContent);
  expect(all("svg.panel", figure).length === data.panels.length, `${title(figure)}: a panel is missing`);
  expect(all("svg.panel .line", figure).length > 0, `${title(figure)}: nothing is drawn`);
  expect(all("svg.panel .axes text", figure).length > 2, `${title(figure)}: no labels`);

  const slider = figure.querySelector("input.epoch");
  expect(Boolean(slider) === data.epochs.length > 1, `${title(figure)}: slider of ${data.epochs.length} epochs`);
  if (slider) {
    const choices = Number(slider.max) + 1;
    const isUneven = choices === data.epochs.length + 1;
    expect(isUneven || choices === data.epochs.length, `${title(figure)}: ${choices} choices`);
    expect(isUneven === (figure.querySelector("output").textContent === "last of each"), `${title(figure)}: chosen at first`);
    const first = picture(figure);
    const seen = new Set();
    for (let index = 0; index < data.epochs.length; index += 1) {
      slider.value = index;
      fire(slider, "input");
      seen.add(picture(figure));
      expect(figure.querySelector("output").textContent === String(data.epochs[index]), `${title(figure)}: epoch shown`);
      expect(slider.getAttribute("aria-valuetext") === `epoch ${data.epochs[index]}`, `${title(figure)}: epoch said`);
    }
    slider.value = choices - 1;
    fire(slider, "input");
    expect(picture(figure) === first, `${title(figure)}: the last choice is not the first picture`);
    expect(seen.size === data.epochs.length, `${title(figure)}: the slider shows ${seen.size} of ${data.epochs.length} epochs`);
  }

  const log = figure.querySelector("input.log");
  if (log) {
    const before = picture(figure);
    log.click();
    expect(picture(figure) !== before, `${title(figure)}: logarithmic changes nothing`);
    log.click();
    expect(picture(figure) === before, `${title(figure)}: linear does not come back`);
  }

  const switches = all("input.curve", figure);
  expect(switches.length === (data.curves.length > 1 ? data.curves.length : 0), `${title(figure)}: switches`);
  for (const box of switches) {
    const lines = () => all("svg.panel .line", figure).length;
    const before = lines();
    box.click();
    expect(lines() < before, `${title(figure)}: a curve stays`);
    box.click();
    expect(lines() === before, `${title(figure)}: a curve does not come back`);
  }
}

function reading(figure) {
  const svg = figure.querySelector("svg.panel");
  const tip = svg.parentElement.querySelector(".tip");
  const box = svg.getBoundingClientRect();
  svg.dispatchEvent(new PointerEvent("pointermove", { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }));
  expect(!tip.hidden && / = \S/.test(tip.textContent), `${title(figure)}: nothing under the pointer: ${tip.textContent}`);
  svg.dispatchEvent(new PointerEvent("pointerleave"));
  expect(tip.hidden, `${title(figure)}: the tip stays`);
  const key = (name) => svg.dispatchEvent(new KeyboardEvent("keydown", { key: name, cancelable: true }));
  key("ArrowRight");
  const first = document.getElementById("status").textContent;
  key("ArrowRight");
  const second = document.getElementById("status").textContent;
  expect(first !== "" && second !== "" && first !== second, `${title(figure)}: arrow keys say ${first}, ${second}`);
  key("Escape");
  expect(tip.hidden, `${title(figure)}: the tip stays after Escape`);
}

function sorting(table) {
  const name = table.caption.textContent;
  const rows = () => all("tbody tr", table).map((row) => row.textContent);
  all("thead button", table).forEach((button, column) => {
    const head = button.closest("th");
    const before = rows().length;
    button.click();
    const values = all("tbody tr", table).map((row) => row.cells[column].dataset.value).filter((value) => value !== undefined).map(Number);
    expect(values.every((value, index) => index === 0 || values[index - 1] <= value), `${name}: column ${column} is not sorted`);
    expect(head.getAttribute("aria-sort") === "ascending", `${name}: sorting is not said`);
    button.click();
    expect(head.getAttribute("aria-sort") === "descending" && rows().length === before, `${name}: descending`);
  });
  expect(all("thead button", table).length === all("thead th", table).length, `${name}: a column cannot be sorted`);
}

async function copying(button) {
  let copied = null;
  document.execCommand = (command) => { copied = document.activeElement.value; return command === "copy"; };
  Object.defineProperty(navigator, "clipboard", { configurable: true, value: { writeText: () => Promise.reject(new Error("no")) } });
  button.click();
  await new Promise((done) => setTimeout(done, 20));
  const lines = (copied ?? "").trim().split("\n");
  expect(lines.length > 1 && lines[0].includes(","), `${button.getAttribute("aria-label")}: copied ${lines[0]}`);
  expect(document.getElementById("status").textContent.startsWith("Copied"), `${button.getAttribute("aria-label")}: not said`);
}

function colours() {
  const select = document.querySelector("#theme select");
  const ground = () => getComputedStyle(document.body).backgroundColor;
  const seen = ["light", "dark"].map((theme) => {
    select.value = theme;
    fire(select, "change");
    return ground();
  });
  expect(seen[0] !== seen[1], `light and dark are both ${seen[0]}`);
  select.value = "system";
  fire(select, "change");
}

function choosing(holder) {
  const options = all(":scope > .option", holder);
  const select = holder.querySelector("select");
  options.forEach((option, index) => {
    select.value = index;
    fire(select, "change");
    const shown = options.filter((other) => other.offsetParent !== null);
    expect(shown.length === 1 && shown[0] === option, `option ${index} is not the one shown`);
  });
}

function labelling() {
  for (const input of all("input, select, button")) {
    const label = input.labels?.length > 0 || input.textContent.trim() !== "" || input.getAttribute("aria-label");
    expect(label, `a control without a label: ${input.outerHTML}`);
  }
  for (const svg of all("svg.panel")) expect(svg.getAttribute("aria-label") && svg.tabIndex === 0, "a panel without a name");
  for (const link of all("nav a, a.skip")) expect(document.querySelector(link.getAttribute("href")), `${link.href} leads nowhere`);
  const ids = all("[id]").map((node) => node.id);
  expect(new Set(ids).size === ids.length, "an id is there twice");
}

// The page may not be wider than the window: wide tables scroll by themselves.
function width() {
  const page = document.documentElement;
  expect(page.scrollWidth <= page.clientWidth + 1, `the page is ${page.scrollWidth} wide in ${page.clientWidth}`);
}

// Makes the rules for print those for the screen, and looks at what is left out.
function printing() {
  fire(window, "beforeprint");
  for (const sheet of document.styleSheets) {
    for (const rule of sheet.cssRules) if (rule.media?.mediaText === "print") rule.media.mediaText = "all";
  }
  const seen = (node) => node.getClientRects().length > 0;
  for (const node of all("figure, .static svg, table, tr, details > :not(summary), h2, .option")) {
    expect(seen(node) || node.closest("thead"), `not printed: <${node.tagName} class="${node.className.baseVal ?? node.className}"> of ${node.closest("section")?.id}`);
  }
  for (const node of all(".live, nav, button.copy, #theme")) expect(!seen(node), `printed: ${node.className || node.tagName}`);
}

(async () => {
  width();
  labelling();
  all("figure.chart").forEach((figure) => { controls(figure); reading(figure); });
  all("table.data").forEach(sorting);
  for (const button of all("button.copy")) await copying(button);
  all(".choice").forEach(choosing);
  colours();
  width();
  const counts = ["figure.chart", "table.data", ".choice", "input.epoch"].map((what) => all(what).length);
  printing();
  const result = document.createElement("pre");
  result.id = "result";
  result.textContent = JSON.stringify({ faults: window.faults, counts });
  document.body.replaceChildren(result);
})();
