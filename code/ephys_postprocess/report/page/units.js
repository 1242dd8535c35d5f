// The table of this result's units: its columns, the filter, what is kept of it as csv.
let unitTable = null, unitColumns = [], columnSets = [];
const MAIN_COLUMNS = ["unit_id", "label", "verdict", "main_channel_id", "y_um", "num_spikes", "firing_rate", "snr", "rp_contamination", "presence_ratio",
  "amplitude_cutoff", "isi_violations_ratio", "amplitude_median", "drift_ptp", "peak_to_trough_duration"];

function makeUnitColumns() {
  const { has_locations } = DATA.units, beside = new Map(DATA.columns_beside_metrics.map(column => [column.name, column]));
  const told = (name, read, isText) => ({ ...beside.get(name), group: "place", read, isText });
  const plain = (name, unit, meaning, source, read, isText) => ({ name, unit, meaning, source, read, isText });
  return [
    told("unit_id", idOf, true),
    { ...plain("label", "", "Your label: good, mua, noise or non_soma.", "", labelOfUnit, true), group: "place", className: unit => labelOfUnit(unit) ? `label ${labelOfUnit(unit)}` : "" },
    ...(DATA.qc_columns.length ? [{ ...plain("verdict", "", "By the pipeline's default thresholds: pass, fail, or open where a value is missing.", "",
      unit => ({ pass: "pass", fail: "fail", missing: "open" })[verdictOf(unit)], true), group: "place" }] : []),
    told("main_channel_id", unit => DATA.probe.ids[mainChannelOf(unit)], true),
    ...(has_locations ? [told("x_um", unitX), told("y_um", unitY)] : []),
    ...DATA.columns.map(column => ({ ...column, read: unit => valueOf(column.name, unit), stored: unit => unpack(DATA.metrics[column.name])[unit], why: unit => whyMissing(column.name, unit) || "no value" })),
    ...DATA.presets.map(preset => ({ ...plain(preset.column, "", preset.meaning, "", unit => preset.labels[unit], true), group: "labels" })),
    ...DATA.properties.filter(({ name }) => !DATA.presets.some(preset => preset.column === name)).map(({ name, values, is_text }) => ({
      ...plain(name, "", "As the spike sorter, or whoever saved the sorting, gave it.", "sorting", unit => values[unit] ?? NaN, is_text), group: "sorting" })),
  ];
}

function makeColumnSets() {
  const group = name => unitColumns.filter(column => column.group === name);
  const head = unitColumns.slice(0, 2), main = MAIN_COLUMNS.map(name => unitColumns.find(column => column.name === name)).filter(Boolean);
  return [
    ["main", "main", [...main, ...group("labels")]],
    ["quality", "quality metrics", [...head, ...group("quality_metrics")]],
    ["judged", "judged by thresholds", [...head, ...unitColumns.filter(column => column.threshold)]],
    ["template", "template shape", [...head, ...group("template_metrics")]],
    ["trains", "spike trains", [...head, ...group("spiketrain_metrics")]],
    ["sorting", "labels and sorter", [...head, ...group("labels"), ...group("sorting")]],
    ["all", "all", [...group("place"), ...group("quality_metrics"), ...group("template_metrics"), ...group("spiketrain_metrics"), ...group(""), ...group("labels"), ...group("sorting")]],
  ].filter(([, , columns]) => columns.length > head.length);
}

const filterAbout = () => ({
  columns: unitColumns, nameOf: idOf, numRows: numUnits,
  words: { passes: unit => verdictOf(unit) === "pass", fails: unit => verdictOf(unit) === "fail", judged: unit => verdictOf(unit) !== "missing",
    labelled: unit => labels.has(unit), unlabelled: unit => !labels.has(unit) },
  wordsOfColumn: { passes: column => unit => judgementOf(column, unit) === "pass", fails: column => unit => judgementOf(column, unit) === "fail" },
});

function setFilter(text) {
  byId("filter").value = text;
  byId("verdict").value = "all";
  showRows();
  byId("units").scrollIntoView({ block: "start" });
}

function showRows() {
  const problem = byId("filter-problem"), verdict = byId("verdict").value;
  let isWanted;
  try {
    isWanted = compileFilter(byId("filter").value, filterAbout());
    problem.textContent = "";
  } catch (error) {
    problem.textContent = error.message;
    return;
  }
  const number = unitTable.filter(unit => isWanted(unit) && (verdict === "all" || verdictOf(unit) === verdict));
  byId("count").textContent = `${number} of ${plural(numUnits, "unit")}`;
}

function startUnits() {
  unitColumns = makeUnitColumns();
  columnSets = makeColumnSets();
  setOptions(byId("column-set"), columnSets.map(([name, text]) => [name, text]), "main");
  unitTable = new DataTable(byId("table-box"), { columns: columnSets[0][2], numRows: numUnits, label: "Units", onChoose: unit => selectUnit(unit, false) });
  byId("column-set").addEventListener("change", event => unitTable.setColumns(columnSets.find(([name]) => name === event.target.value)[2]));
  const number = kind => allUnits.filter(unit => verdictOf(unit) === kind).length, verdict = byId("verdict");
  setOptions(verdict, [["all", "all units"], ["pass", `pass the default thresholds (${number("pass")})`], ["fail", `fail them (${number("fail")})`], ["missing", `not judged (${number("missing")})`]], "all");
  verdict.closest("label").hidden = !DATA.qc_columns.length;
  explain(verdict.closest("label"), `${DATA.qc_columns.map(name => `${name} ${columnOf.get(name).threshold.text}`).join(", ")}. A unit that fails none of them but lacks a value is not judged; the pipeline's own curation counts it as failing.`);
  byId("filter").addEventListener("input", showRows);
  verdict.addEventListener("change", showRows);
  byId("save-csv").addEventListener("click", () => saveFile(fileName("units_shown", DATA.recording_name, "csv"), "text/csv", unitTable.csv()));
  showRows();
}

function moveSelection(step) { unitTable.move(step); }
