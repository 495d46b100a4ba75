// Light or dark: as the system says, unless the reader chooses.

const THEME = "eigenscape-theme";

// A browser may forbid a page to remember anything.
function remembered() {
  try {
    return localStorage.getItem(THEME) ?? "system";
  } catch {
    return "system";
  }
}

function remember(theme) {
  try {
    localStorage.setItem(THEME, theme);
  } catch {
    return;
  }
}

function setTheme(theme) {
  document.documentElement.dataset.theme = theme;
}

function makeThemeSwitch(holder) {
  const themes = ["system", "light", "dark"];
  const select = element("select", {}, ...themes.map((theme) => element("option", { value: theme }, theme)));
  select.value = themes.includes(remembered()) ? remembered() : "system";
  setTheme(select.value);
  select.addEventListener("change", () => {
    setTheme(select.value);
    remember(select.value);
  });
  holder.append(labelled("colours", select));
}
