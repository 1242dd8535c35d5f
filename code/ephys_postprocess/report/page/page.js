// Puts the page together: choosing units, keys, addresses, redrawing.
let areOverviewMarksWaiting = false;

const addressOf = unit => `#unit=${encodeURIComponent(idOf(unit))}`;

function selectUnit(unit, isFarAway) {
  selectedUnit = unit;
  unitTable.choose(unit);
  drawUnit(unit);
  if (!areOverviewMarksWaiting) { areOverviewMarksWaiting = true; requestAnimationFrame(drawOverviewMarks); }
  try { history.replaceState(null, "", addressOf(unit)); } catch { /* a page shown inside another may not have an address */ }
  byId("bar-unit").href = addressOf(unit);
  announce(`Unit ${idOf(unit)}${labelOfUnit(unit) ? `, ${labelOfUnit(unit)}` : ""}, ${unitTable.rows.indexOf(unit) + 1} of ${unitTable.rows.length} shown`);
  if (isFarAway) byId("unit").scrollIntoView({ block: "start" });
}

function drawOverviewMarks() {
  areOverviewMarksWaiting = false;
  drawProbe(); paintMarks(); drawSimilarity();
  charts.get(byId("scatter"))?.redraw(false);
}

function redraw() {
  palette.clear();
  drawProbe(); drawRaster(); drawSimilarity(); drawNoise(); drawHistograms(); drawScatter();
  if (selectedUnit !== null) drawUnit(selectedUnit);
}

// "#unit=54" shows unit 54, now or when the address changes.
function unitOfAddress() {
  const found = /^#unit=(.*)$/.exec(location.hash);
  if (!found) return null;
  let id = found[1];
  try { id = decodeURIComponent(id); } catch { /* as it stands */ }
  const unit = DATA.units.ids.indexOf(id);
  if (unit < 0) announce(`There is no unit ${id}.`);
  return unit < 0 ? null : unit;
}

// Single letters are keys only where a unit is at hand: in the table and in the unit's part.
function onKey(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName)) return;
  const found = LABELS.find(([, key]) => key === event.key.toLowerCase()), isCleared = ["u", "Backspace", "Delete"].includes(event.key);
  const step = event.currentTarget === byId("unit") ? { ArrowUp: -1, ArrowDown: 1 }[event.key] : 0;
  if (!found && !isCleared && !step) return;
  event.preventDefault();
  if (step) moveSelection(step); else setLabel(selectedUnit, found ? found[0] : "");
}

function startPrinting() {
  const folded = document.querySelectorAll("details:not([open], #filter-help)");
  window.addEventListener("beforeprint", () => {
    document.documentElement.dataset.theme = "light";
    for (const details of folded) details.open = true;
    unitTable.showAll(true); redraw();
  });
  window.addEventListener("afterprint", () => {
    delete document.documentElement.dataset.theme;
    for (const details of folded) details.open = false;
    unitTable.showAll(false); redraw();
  });
}

function startResizing() {
  let width = window.innerWidth, timer = 0;
  window.addEventListener("resize", () => {
    if (window.innerWidth === width) return;
    width = window.innerWidth;
    clearTimeout(timer);
    timer = setTimeout(redraw, 150);
  });
}

async function copyMethods() {
  const text = byId("methods-text").innerText;
  try {
    await navigator.clipboard.writeText(text);
  } catch { // not allowed to pages opened from a file: the older way
    const range = document.createRange();
    range.selectNodeContents(byId("methods-text"));
    window.getSelection().removeAllRanges();
    window.getSelection().addRange(range);
    document.execCommand("copy");
  }
  byId("copy-methods").textContent = "Copied";
  announce("Methods text copied");
}

function start() {
  startTooltips();
  startLabels();
  startUnits();
  startProbe();
  startSimilarity();
  startTime();
  startMetrics();
  startTemplate();
  startUnit();
  for (const [id, step] of [["previous", -1], ["next", 1], ["bar-previous", -1], ["bar-next", 1]]) byId(id).addEventListener("click", () => moveSelection(step));
  for (const id of ["table-box", "unit"]) byId(id).addEventListener("keydown", onKey);
  byId("copy-methods").addEventListener("click", copyMethods);
  byId("bar-unit").addEventListener("click", event => {
    event.preventDefault();
    byId("unit").scrollIntoView({ block: "start" });
    byId("unit").focus({ preventScroll: true });
  });
  listFailures();
  const wanted = unitOfAddress();
  selectedUnit = wanted ?? 0;
  unitTable.choose(selectedUnit);
  redraw();
  byId("bar-unit").href = addressOf(selectedUnit);
  if (wanted !== null) byId("unit").scrollIntoView({ block: "start" });
  window.addEventListener("hashchange", () => {
    const unit = unitOfAddress();
    if (unit === null) return;
    selectUnit(unit, true);
    byId("unit").focus({ preventScroll: true }); // the link that was followed is gone
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
  startResizing();
  startPrinting();
  document.documentElement.dataset.ready = "yes";
}

if (numUnits) start();
