// Tables that are sorted by a column, and copied.

// The text of a cell, or the number that it stands for.
function valueOf(row, column) {
  const cell = row.cells[column];
  return cell.dataset.value === undefined ? cell.textContent : Number(cell.dataset.value);
}

function compare(a, b) {
  const numbers = typeof a === "number" && typeof b === "number";
  if (numbers) return a - b;
  // Cells without a number come last.
  if (typeof a === "number") return -1;
  if (typeof b === "number") return 1;
  return a.localeCompare(b, "en", { numeric: true });
}

function sortBy(table, column) {
  const heads = [...table.tHead.rows[0].cells];
  const descending = heads[column].getAttribute("aria-sort") === "ascending";
  heads.forEach((head) => head.removeAttribute("aria-sort"));
  heads[column].setAttribute("aria-sort", descending ? "descending" : "ascending");
  const body = table.tBodies[0];
  const sign = descending ? -1 : 1;
  const rows = [...body.rows].sort((a, b) => sign * compare(valueOf(a, column), valueOf(b, column)));
  body.append(...rows);
  say(`Sorted by ${heads[column].textContent.trim()}, ${descending ? "descending" : "ascending"}`);
}

function rowsOfTable(table) {
  // A typographic minus would not be read as a number.
  const text = (cell) => cell.textContent.trim().replaceAll("−", "-");
  const head = [...table.tHead.rows[0].cells].map(text);
  return [head, ...[...table.tBodies[0].rows].map((row) => [...row.cells].map(text))];
}

function makeSortable(table) {
  [...table.tHead.rows[0].cells].forEach((head, column) => {
    const button = element("button", { type: "button", class: "sort" }, head.textContent);
    button.addEventListener("click", () => sortBy(table, column));
    head.replaceChildren(button);
  });
  const holder = table.closest(".table");
  holder.append(copyButton(table.caption.textContent, () => rowsOfTable(table)));
}
