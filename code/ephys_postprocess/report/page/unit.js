// One unit's part of the page: what it is, how it is judged, whom it is compared with.
let comparedUnit = null, isComparedChosen = false;

const UNIT_PICTURES = { template: "Template on its channels", waveforms: "Waveforms on the main channel", autocorrelogram: "Autocorrelogram",
  isi: "Histogram of inter-spike intervals", location: "Location on the probe", amplitude: "Amplitudes over time and their distribution", rate: "Firing rate over time" };

function drawUnit(unit) {
  for (const [id, text] of Object.entries(UNIT_PICTURES)) byId(id).setAttribute("aria-label", `${text}, unit ${idOf(unit)}`);
  byId("unit-title").textContent = byId("bar-unit").textContent = `Unit ${idOf(unit)}`;
  const neighbours = Array.from(rowOf(DATA.neighbours, unit));
  if (!isComparedChosen || comparedUnit === unit) comparedUnit = neighbours[0] ?? null;
  isComparedChosen = false;
  showLabelButtons();
  drawBadges(unit);
  drawWaveforms(unit);
  drawAutocorrelogram(unit);
  drawIntervals(unit);
  drawAmplitudes(unit);
  drawRate(unit);
  drawComparison();
  drawNeighbours(unit, neighbours);
  listMetrics(unit);
}

// What changes with the unit compared.
function drawComparison() {
  byId("other").value = comparedUnit === null ? "" : String(comparedUnit);
  drawTemplate(selectedUnit, comparedUnit);
  drawLocation(selectedUnit);
  drawCross(selectedUnit, comparedUnit);
}

function compareWith(other) {
  comparedUnit = other;
  drawComparison();
}

function drawBadges(unit) {
  const box = byId("unit-badges"), verdict = verdictOf(unit);
  box.replaceChildren(
    element("span", "badge", plural(spikesOf(unit), "spike")),
    element("span", "badge", `main channel ${DATA.probe.ids[mainChannelOf(unit)]}`));
  if (DATA.units.has_locations) box.append(element("span", "badge", `at ${unitX(unit).toFixed(0)}, ${unitY(unit).toFixed(0)} µm`));
  if (DATA.qc_columns.length) {
    const text = { pass: "✓ passes the default thresholds", fail: "✗ fails the default thresholds", missing: "? not judged by the default thresholds" }[verdict];
    box.append(element("span", `badge ${{ pass: "good", fail: "bad", missing: "" }[verdict]}`, text));
  }
  for (const preset of DATA.presets) {
    const badge = element("span", "badge", `${preset.column}: ${preset.labels[unit]}`);
    explain(badge, preset.meaning);
    box.append(badge);
  }
  for (const column of judgedColumns) {
    const value = valueOf(column.name, unit), found = judge(column.threshold, value);
    const badge = element("span", `badge ${{ pass: "good", fail: "bad", missing: "" }[found]}`, `${{ pass: "✓", fail: "✗", missing: "?" }[found]} ${column.name} ${format(value)}`);
    explain(badge, `${column.meaning} Wanted: ${column.threshold.text} (${column.threshold.source}).${found === "missing" ? ` No value: ${whyMissing(column.name, unit) || "nothing says why"}.` : ""}`);
    box.append(badge);
  }
}

function drawNeighbours(unit, neighbours) {
  const box = byId("neighbours"), waiting = [];
  byId("neighbours-title").textContent = neighbours.length === 0 ? "" : DATA.similarity ? "Most similar units" : "Nearest units";
  for (const old of box.querySelectorAll(".chart")) { charts.get(old)?.destroy(); charts.delete(old); }
  box.replaceChildren(...neighbours.map(other => {
    const figure = element("figure"), caption = element("figcaption"), picture = element("div", "chart");
    const link = element("a", "", `unit ${idOf(other)}`);
    link.href = addressOf(other);
    caption.append(link, DATA.similarity ? ` similarity ${similarityOf(unit, other).toFixed(2)} ` : " ", button("compare", () => compareWith(other)));
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `Cross-correlogram with unit ${idOf(other)}`);
    figure.append(caption, picture);
    waiting.push(() => drawPair(picture, unit, other, true));
    return figure;
  }));
  for (const draw of waiting) draw();
}

function listMetrics(unit) {
  if (!byId("all-metrics").open) return;
  byId("metric-list").replaceChildren(...DATA.columns.map(column => {
    const row = element("div"), value = valueOf(column.name, unit), why = Number.isNaN(value) ? whyMissing(column.name, unit) : "";
    row.append(element("dt", "", column.name), element("dd", "", withUnit(value, column.unit)));
    if (why) row.lastChild.append(element("small", "", why));
    explain(row, `${column.meaning}${column.source ? ` Source: ${column.source}.` : ""}`);
    return row;
  }));
}

function startUnit() {
  setOptions(byId("other"), [["", "no unit"], ...allUnits.map(unit => [String(unit), `unit ${idOf(unit)}`])], "");
  byId("other").addEventListener("change", event => compareWith(event.target.value === "" ? null : Number(event.target.value)));
  byId("all-metrics").addEventListener("toggle", () => listMetrics(selectedUnit));
  startWaveforms();
}
