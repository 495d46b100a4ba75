// One of several alternatives at a time, as of the figures of several runs.

function makeChoice(holder) {
  const options = [...holder.querySelectorAll(":scope > .option")];
  const select = element("select", {}, ...options.map((option, index) => element("option", { value: index }, option.dataset.name)));
  const show = () => options.forEach((option, index) => option.classList.toggle("unchosen", index !== Number(select.value)));
  select.addEventListener("change", show);
  holder.prepend(labelled(holder.dataset.label, select));
  show();
}
