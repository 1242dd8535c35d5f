// Puts the page together: choosing units, keys, tooltips, redrawing.
let areMarksWaiting = false;

function selectUnit(unit, isFarAway) {
  selectedUnit = unit;
  markRow(unit, true);
  drawUnit(unit);
  if (!areMarksWaiting) { areMarksWaiting = true; requestAnimationFrame(drawOverviewMarks); }
  if (isFarAway) byId("unit").scrollIntoView({ block: "nearest" });
}

function drawOverviewMarks() {
  areMarksWaiting = false;
  drawProbe(); drawRaster(); drawSimilarity();
}

function showTooltip(text, event) {
  const tip = byId("tooltip");
  tip.hidden = !text;
  if (!text) return;
  tip.textContent = text;
  const x = Math.min(event.clientX + 14, window.innerWidth - tip.offsetWidth - 8);
  const below = event.clientY + 18, above = event.clientY - tip.offsetHeight - 10;
  tip.style.left = `${Math.max(8, x)}px`;
  tip.style.top = `${below + tip.offsetHeight > window.innerHeight ? above : below}px`;
}

// An explanation that shows when the pointer or the keyboard is on an element.
function explain(target, text) {
  target.dataset.explanation = text;
}

function onPointed(event) {
  const target = event.target.closest?.("[data-explanation]");
  if (!target) { if (event.target.tagName !== "CANVAS") showTooltip(null); return; }
  const box = target.getBoundingClientRect();
  showTooltip(target.dataset.explanation, { clientX: Math.max(0, box.left), clientY: box.bottom - 12 });
}

function redraw() {
  palette.clear();
  drawOverviewMarks();
  drawHistograms();
  if (selectedUnit !== null) drawUnit(selectedUnit);
}

function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!step) return;
  event.preventDefault();
  moveSelection(step);
}

function start() {
  startOverview();
  startTable();
  byId("previous").addEventListener("click", () => moveSelection(-1));
  byId("next").addEventListener("click", () => moveSelection(1));
  document.addEventListener("keydown", onKey);
  for (const name of ["mouseover", "focusin"]) document.addEventListener(name, onPointed);
  document.addEventListener("focusout", () => showTooltip(null));
  byId("all-metrics").addEventListener("toggle", () => listMetrics(selectedUnit));
  selectedUnit = 0;
  markRow(0, false);
  redraw();
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  let width = window.innerWidth, timer = 0;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(timer);
    timer = setTimeout(redraw, 150);
  });
  const folded = document.querySelectorAll("details:not([open])");
  window.addEventListener("beforeprint", () => {
    document.documentElement.dataset.theme = "light";
    for (const details of folded) details.open = true;
    showAllRows(true); redraw();
  });
  window.addEventListener("afterprint", () => {
    delete document.documentElement.dataset.theme;
    for (const details of folded) details.open = false;
    showAllRows(false); redraw();
  });
  document.documentElement.dataset.ready = "yes";
}

if (numUnits) start();
