// The table of units: sort, filter, choose.
// Only rows near the visible part are in the page (all of them in print), so hundreds of units cost nothing.
let shownUnits = [], sortedBy = null, isDescending = false, areAllRowsShown = false;
const rowsOfTable = new Map();
const ROW_HEIGHT = 25, ROWS_AROUND = 15; // the style sheet sets the same height

// Columns worth paper; the others are left out in print.
const MAJOR = new Set(["num_spikes", "firing_rate", "presence_ratio", "snr", "isi_violations_ratio", "rp_contamination",
  "amplitude_cutoff", "amplitude_median", "drift_ptp", "peak_to_trough_duration"]);

const tableColumns = () => [
  { name: "unit_id", unit: "", meaning: "Name of the unit, as the spike sorter gave it.", source: "", read: unit => DATA.units.ids[unit], isText: true },
  { name: "main_channel_id", unit: "", meaning: "Channel on which the template is largest.", source: "", isText: true,
    read: unit => DATA.probe.ids[unpack(DATA.units.main_channels)[unit]] },
  ...(DATA.units.has_locations ? [
    { name: "x_um", unit: "µm", meaning: "Estimated position of the unit across the probe.", source: "unit_locations", read: unitX },
    { name: "y_um", unit: "µm", meaning: "Estimated position of the unit along the probe.", source: "unit_locations", read: unitY }] : []),
  ...DATA.columns.map(column => ({ ...column, read: unit => valueOf(column.name, unit) })),
];
let COLUMNS = [];

function startTable() {
  COLUMNS = tableColumns();
  const head = element("tr");
  for (const column of COLUMNS) {
    const cell = element("th", isMinor(column) ? "minor" : ""), button = element("button");
    button.type = "button";
    button.dataset.column = column.name;
    button.append(column.name, " ", element("span", "arrow"), element("small", "", column.unit || "\u00a0"));
    cell.scope = "col";
    button.addEventListener("click", () => sortBy(column));
    explain(button, [column.meaning, column.unit && `In ${column.unit}.`, column.source && `Source: ${column.source}.`, column.threshold && `Wanted: ${column.threshold.text} (${column.threshold.source}).`].filter(Boolean).join(" "));
    cell.append(button);
    head.append(cell);
  }
  byId("table").tHead.append(head);
  setWidths();
  byId("table-box").addEventListener("scroll", fillRows, { passive: true });
  byId("table").tBodies[0].addEventListener("click", event => {
    const row = event.target.closest("tr[data-unit]");
    if (row) selectUnit(Number(row.dataset.unit), false);
  });
  byId("filter").addEventListener("input", showRows);
  byId("only-passing").addEventListener("change", showRows);
  if (!DATA.qc_columns.length) byId("only-passing").closest("label").hidden = true;
  explain(byId("only-passing").closest("label"), DATA.qc_columns.map(name => `${name} ${columnOf.get(name).threshold.text}`).join(", "));
  showRows();
}

// Fixed widths: with rows coming and going, the browser's own would jump.
function setWidths() {
  const columns = element("colgroup");
  let total = 0;
  for (const column of COLUMNS) {
    const longest = column.isText ? Math.max(0, ...Array.from({ length: numUnits }, (_, unit) => column.read(unit).length)) : 8;
    const width = Math.min(26, Math.max(longest, column.name.length + 2)) * 7 + 20;
    const made = element("col", isMinor(column) ? "minor" : "");
    made.style.width = `${width}px`;
    columns.append(made);
    total += width;
  }
  byId("table").prepend(columns);
  byId("table").style.width = `${total}px`;
}

const isMinor = column => !column.isText && !MAJOR.has(column.name);

function makeRow(unit) {
  const row = element("tr");
  row.dataset.unit = unit;
  for (const column of COLUMNS) {
    const value = column.read(unit), cell = element("td", isMinor(column) ? "minor" : "", column.isText ? value : format(value));
    if (!column.isText && Number.isNaN(value)) cell.classList.add("absent");
    else if (column.threshold && !passes(column.threshold, value)) cell.classList.add("failing");
    row.append(cell);
  }
  return row;
}

// Missing values last, whichever way; names as people count (unit2 before unit10).
const collator = new Intl.Collator("en", { numeric: true });
function sortBy(column) {
  isDescending = sortedBy === column ? !isDescending : !column.isText;
  sortedBy = column;
  byId("table").tHead.querySelectorAll("th").forEach((cell, i) => {
    const isSorted = COLUMNS[i] === column;
    cell.querySelector(".arrow").textContent = isSorted ? (isDescending ? "▼" : "▲") : "";
    if (isSorted) cell.setAttribute("aria-sort", isDescending ? "descending" : "ascending"); else cell.removeAttribute("aria-sort");
  });
  showRows();
}

function compareUnits(a, b) {
  const first = sortedBy.read(a), second = sortedBy.read(b), sign = isDescending ? -1 : 1;
  if (sortedBy.isText) return sign * collator.compare(first, second) || a - b;
  if (Number.isNaN(first) || Number.isNaN(second)) return Number.isNaN(first) - Number.isNaN(second) || a - b;
  return sign * (first - second) || a - b;
}

const OPERATORS = { "<": (a, b) => a < b, ">": (a, b) => a > b, "<=": (a, b) => a <= b, ">=": (a, b) => a >= b, "=": (a, b) => a === b, "==": (a, b) => a === b, "!=": (a, b) => a !== b };

// "snr > 5 and presence_ratio > 0.8" as a function of the unit; any other words are looked for in the unit's name.
function parseFilter(text) {
  const tests = [];
  const rest = text.replace(/([A-Za-z_]\w*)\s*(<=|>=|==|!=|<|>|=)\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)/g, (whole, name, operator, number) => {
    const column = COLUMNS.find(candidate => candidate.name === name);
    if (!column) throw new Error(`No column is called ${name}.`);
    tests.push(unit => OPERATORS[operator](column.isText ? Number(column.read(unit)) : column.read(unit), Number(number)));
    return " ";
  });
  // "and", "&" and commas only join; a name may hold any of them, so the whole text is tried as a name first.
  const words = tests.length ? rest.split(/\s+/).filter(word => !/^(and|&+|,)?$/i.test(word)) : [text.trim()].filter(Boolean);
  for (const word of words) {
    const wanted = word.toLowerCase();
    tests.push(unit => DATA.units.ids[unit].toLowerCase().includes(wanted));
  }
  return unit => tests.every(test => test(unit));
}

function showRows() {
  const problem = byId("filter-problem");
  let isWanted;
  try {
    isWanted = parseFilter(byId("filter").value);
    problem.textContent = "";
  } catch (error) {
    problem.textContent = error.message;
    return;
  }
  const onlyPassing = byId("only-passing").checked;
  shownUnits = Array.from({ length: numUnits }, (_, i) => i).filter(unit => isWanted(unit) && (!onlyPassing || passesQc(unit)));
  if (sortedBy) shownUnits.sort(compareUnits);
  fillRows();
  byId("count").textContent = `${shownUnits.length} of ${numUnits} units`;
}

function rowOfUnit(unit) {
  if (!rowsOfTable.has(unit)) rowsOfTable.set(unit, makeRow(unit));
  const row = rowsOfTable.get(unit);
  row.classList.toggle("selected", unit === selectedUnit);
  return row;
}

function fillRows() {
  const box = byId("table-box"), number = shownUnits.length;
  const first = areAllRowsShown ? 0 : Math.max(0, Math.min(Math.floor(box.scrollTop / ROW_HEIGHT), number) - ROWS_AROUND);
  const last = areAllRowsShown ? number : Math.min(number, first + Math.ceil(box.clientHeight / ROW_HEIGHT) + 2 * ROWS_AROUND);
  const room = rows => {
    const row = element("tr", "room"), cell = element("td");
    cell.colSpan = COLUMNS.length;
    cell.style.height = `${rows * ROW_HEIGHT}px`;
    row.append(cell);
    return row;
  };
  byId("table").tBodies[0].replaceChildren(...(first ? [room(first)] : []), ...shownUnits.slice(first, last).map(rowOfUnit), ...(last < number ? [room(number - last)] : []));
}

function showAllRows(areAll) {
  areAllRowsShown = areAll;
  fillRows();
}

function markRow(unit, isScrolled) {
  const box = byId("table-box"), at = shownUnits.indexOf(unit) * ROW_HEIGHT, room = box.clientHeight - byId("table").tHead.offsetHeight;
  if (isScrolled && at >= 0) {
    if (at < box.scrollTop) box.scrollTop = at;
    else if (at + ROW_HEIGHT > box.scrollTop + room) box.scrollTop = at + ROW_HEIGHT - room;
  }
  const earlier = byId("table").querySelector("tr.selected"), row = rowsOfTable.get(unit);
  if (earlier) earlier.classList.remove("selected");
  if (row && row.isConnected) row.classList.add("selected"); else fillRows();
}

function moveSelection(step) {
  if (!shownUnits.length) return;
  const at = shownUnits.indexOf(selectedUnit);
  const next = at < 0 ? 0 : Math.min(Math.max(at + step, 0), shownUnits.length - 1);
  selectUnit(shownUnits[next], false);
}
