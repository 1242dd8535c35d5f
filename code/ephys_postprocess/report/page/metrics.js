// All units at once: histograms of judged metrics, one metric against another, thresholds failed together.
function drawHistograms() {
  const box = byId("histograms"), waiting = [];
  box.replaceChildren(...judgedColumns.map(column => {
    const threshold = column.threshold, card = element("div", "histogram"), title = element("p"), picture = element("div", "chart");
    const found = allUnits.map(unit => judgementOf(column, unit)), number = kind => found.filter(each => each === kind).length;
    title.append(element("b", "", column.name), column.unit ? ` (${column.unit})` : "");
    picture.setAttribute("role", "img");
    picture.setAttribute("aria-label", `Histogram of ${column.name}`);
    explain(card, `${column.meaning} Dashed: ${threshold.text}, ${threshold.source}.`);
    const text = `${number("pass")} pass ${threshold.text}, ${number("fail")} fail${number("missing") ? `, ${number("missing")} not judged (no value)` : ""}`;
    card.append(title, picture, element("p", "", text));
    waiting.push(() => drawHistogram(picture, column));
    return card;
  }));
  for (const draw of waiting) draw();
}

function drawHistogram(box, column) {
  const { threshold } = column, values = finiteSorted(allUnits.map(unit => valueOf(column.name, unit)));
  if (!values.length) return noChart(box, "no values");
  // The far tail would hide the rest: it is gathered in the last bin. The threshold lies on an edge.
  const top = Math.max(quantile(values, 0.98), threshold.value), least = Math.min(values[0], threshold.value), number = 30;
  const width = (top > least ? top - least : 1) / number, bottom = threshold.value - Math.ceil((threshold.value - least) / width - 1e-9) * width;
  const bins = Math.ceil((top - bottom) / width - 1e-9) + 1;
  const edges = Array.from({ length: bins + 1 }, (_, i) => bottom + i * width), counts = { pass: new Array(bins).fill(0), fail: new Array(bins).fill(0) };
  for (const value of values) counts[judge(threshold, value)][Math.min(bins - 1, Math.max(0, Math.floor((value - bottom) / width + 1e-9)))]++;
  const all = counts.pass.map((count, i) => count + counts.fail[i]);
  chart(box, {
    x: { range: [bottom, edges[bins]] }, y: { range: [0, topOf(all)], areWhole: true, room: 34 },
    // Two failing units among hundreds are what a reader looks for.
    draw: area => { area.bars(edges, all, color("accent"), 3); area.bars(edges, counts.fail, color("second"), 3); area.vertical(threshold.value, color("text")); },
  });
}

function drawScatter() {
  const across = columnOf.get(byId("scatter-x").value), up = columnOf.get(byId("scatter-y").value), box = byId("scatter");
  if (!across || !up) return noChart(box, "no metrics were computed");
  const xs = allUnits.map(unit => valueOf(across.name, unit)), ys = allUnits.map(unit => valueOf(up.name, unit));
  const shown = allUnits.filter(unit => Number.isFinite(xs[unit]) && Number.isFinite(ys[unit]));
  byId("scatter-note").textContent = `${shown.length} of ${plural(numUnits, "unit")}${shown.length < numUnits ? "; the others lack one of the two values" : ""}. Blue: pass the default thresholds, orange: fail, grey: not judged; with a label: its colour. Drag to zoom, double-click to go back, click to choose.`;
  if (!shown.length) return noChart(box, "no unit has both values");
  const labelOf = column => column.unit ? `${column.name} (${column.unit})` : column.name;
  chart(box, {
    x: { range: rangeOf(shown.map(unit => xs[unit])), label: labelOf(across) }, y: { range: rangeOf(shown.map(unit => ys[unit])), label: labelOf(up), room: 66 }, canZoom: true,
    draw: area => {
      if (across.threshold) area.vertical(across.threshold.value, color("soft"));
      if (up.threshold) area.horizontal(up.threshold.value, color("soft"));
      for (const unit of shown) area.dot(xs[unit], ys[unit], 3.5, colorOfUnit(unit), color("card"), 0.7);
      if (shown.includes(selectedUnit)) area.dot(xs[selectedUnit], ys[selectedUnit], 7, "transparent", color("second"), 2);
    },
    onMove: (event, made) => {
      const unit = nearestPoint(event, made, xs, ys);
      showTooltip(unit === null ? null : `unit ${idOf(unit)}: ${across.name} ${withUnit(xs[unit], across.unit)}, ${up.name} ${withUnit(ys[unit], up.unit)}`, event);
    },
    onClick: (event, made) => { const unit = nearestPoint(event, made, xs, ys); if (unit !== null) selectUnit(unit, false); },
  });
}

function colorOfUnit(unit) {
  const label = labelOfUnit(unit);
  return label ? color(`label-${label}`) : color({ pass: "accent", fail: "second", missing: "soft" }[verdictOf(unit)]);
}

// One row for each set of thresholds that some unit fails, the largest first.
function failureSets() {
  const sets = new Map();
  for (const unit of allUnits) {
    const failed = judgedColumns.filter(column => judgementOf(column, unit) === "fail").map(column => column.name);
    const isOpen = !failed.length && judgedColumns.some(column => judgementOf(column, unit) === "missing");
    const key = failed.join(" ") || (isOpen ? "open" : "none");
    if (!sets.has(key)) sets.set(key, { failed, isOpen, units: [] });
    sets.get(key).units.push(unit);
  }
  return [...sets.values()].sort((a, b) => b.units.length - a.units.length);
}

// The filter that lists a set's units.
function filterOfSet({ failed, isOpen }) {
  if (failed.length) return judgedColumns.map(({ name }) => `${failed.includes(name) ? "" : "not "}fails ${name}`).join(" and ");
  const none = judgedColumns.map(({ name }) => `not fails ${name}`).join(" and "), missing = judgedColumns.map(({ name }) => `${name} is missing`).join(" or ");
  return isOpen ? `${none} and (${missing})` : `${none} and not (${missing})`;
}

function listFailures() {
  const box = byId("failures");
  if (!judgedColumns.length) return box.replaceChildren(element("p", "nothing", "no metric that has a threshold was computed"));
  const sets = failureSets(), most = Math.max(...sets.map(set => set.units.length)), table = element("table", "upset"), head = element("tr");
  for (const text of ["units", ""]) head.append(element(text ? "th" : "td", "", text));
  for (const column of judgedColumns) {
    const cell = element("th");
    cell.append(element("span", "", column.name));
    explain(cell, `${column.meaning} Wanted: ${column.threshold.text}.`);
    head.append(cell);
  }
  head.append(element("th", "", "fails"));
  head.querySelectorAll("th").forEach(cell => { cell.scope = "col"; });
  const body = element("tbody");
  body.append(...sets.map(set => {
    const row = element("tr"), count = element("td"), bar = element("td", "bar-cell"), stroke = element("span", set.failed.length ? "stroke bad" : "stroke");
    count.append(button(String(set.units.length), () => setFilter(filterOfSet(set))));
    stroke.style.width = `${Math.max(3, 90 * set.units.length / most)}px`;
    bar.append(stroke);
    const name = set.failed.length ? set.failed.join(", ") : set.isOpen ? "none, but some value is missing" : "none";
    count.firstChild.setAttribute("aria-label", `List the ${plural(set.units.length, "unit")} that fail: ${name}`);
    row.append(count, bar, ...judgedColumns.map(column => {
      const isFailed = set.failed.includes(column.name), cell = element("td", isFailed ? "dot failed" : "dot", isFailed ? "●" : "○");
      cell.setAttribute("aria-hidden", "true");
      return cell;
    }), element("td", "names", name));
    return row;
  }));
  const caption = element("thead");
  caption.append(head);
  table.append(caption, body);
  box.replaceChildren(table);
}

function startMetrics() {
  const names = DATA.columns.map(column => [column.name, column.name]), first = (...wanted) => wanted.find(name => columnOf.has(name)) ?? DATA.columns[0]?.name ?? "";
  setOptions(byId("scatter-x"), names, first("snr"));
  setOptions(byId("scatter-y"), names, first("firing_rate", "num_spikes"));
  for (const id of ["scatter-x", "scatter-y"]) byId(id).addEventListener("change", drawScatter);
}
