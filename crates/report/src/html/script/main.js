// The page comes to life: without this script, it is complete but still.

document.documentElement.classList.add("live-page");
makeThemeSwitch(document.getElementById("theme"));
document.querySelectorAll("figure.chart").forEach(chart);
document.querySelectorAll("table.data").forEach(makeSortable);
document.querySelectorAll(".choice").forEach(makeChoice);

// Printed is everything: what is folded is opened, and folded again.
window.addEventListener("beforeprint", () => {
  document.querySelectorAll("details:not([open])").forEach((part) => {
    part.dataset.folded = "";
    part.open = true;
  });
});
window.addEventListener("afterprint", () => {
  document.querySelectorAll("details[data-folded]").forEach((part) => {
    delete part.dataset.folded;
    part.open = false;
  });
});
