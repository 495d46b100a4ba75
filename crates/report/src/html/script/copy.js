// Rows of cells as CSV on the clipboard.

function csv(rows) {
  const quoted = (cell) => {
    const text = cell === null || cell === undefined ? "" : String(cell);
    return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
  };
  return rows.map((row) => row.map(quoted).join(",")).join("\n") + "\n";
}

// Where the browser gives no clipboard to a page, the text is selected and copied the old way.
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { class: "copied", "aria-hidden": "true" });
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}

// A button that copies rows, which are made when it is pressed.
function copyButton(what, rows) {
  const button = element("button", { type: "button", class: "copy", "aria-label": `Copy ${what} as CSV` }, "Copy as CSV");
  button.addEventListener("click", async () => {
    const made = rows();
    const done = await copyText(csv(made));
    say(done ? `Copied ${made.length - 1} rows of ${what}` : "The browser does not allow copying");
    button.textContent = done ? "Copied" : "Not allowed";
    button.focus();
    setTimeout(() => { button.textContent = "Copy as CSV"; }, 1500);
  });
  return button;
}
