/* Before anything is painted: the theme that was chosen on this machine, where one was. */
try {
  const theme = localStorage.getItem("perfkit-theme");
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
} catch { /* storage is forbidden here: the system's theme it is */ }
