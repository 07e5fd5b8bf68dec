// Light or dark, as the system says or as somebody has chosen.

const THEMES = { auto: "Theme: auto", light: "Theme: light", dark: "Theme: dark" };
const KEPT_AS = "asyncsearch-report-theme";

function followTheme(button) {
  const names = Object.keys(THEMES);
  let theme = "auto";
  try {
    theme = localStorage.getItem(KEPT_AS) ?? theme;
  } catch {
    // A browser that keeps nothing for this page shows it as the system says.
  }
  const apply = () => {
    if (!(theme in THEMES)) theme = "auto";
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.textContent = THEMES[theme];
  };
  button.addEventListener("click", () => {
    theme = names[(names.indexOf(theme) + 1) % names.length];
    apply();
    try {
      localStorage.setItem(KEPT_AS, theme);
    } catch {
      // As above.
    }
  });
  apply();
}
