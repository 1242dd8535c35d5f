// Units on the probe, and one unit's surroundings.
const BEYOND_UM = 150; // units farther off the probe are drawn at the border, pointing to where they are
let probePlot = null, probePlaces = null;

function channelRange(at, margin) {
  const values = [];
  for (let channel = 0; channel < DATA.probe.ids.length; channel++) values.push(at(channel));
  return rangeOf(values, margin);
}

// The range that holds channels and units, no farther than BEYOND_UM off the probe.
function frameOf(channelAt, unitAt, margin) {
  const probe = channelRange(channelAt, margin), [low, high] = channelRange(channelAt, 0);
  const near = allUnits.map(unitAt).filter(value => value >= low - BEYOND_UM && value <= high + BEYOND_UM);
  const [least, most] = near.length ? rangeOf(near, 0.03) : probe;
  return [Math.min(probe[0], least), Math.max(probe[1], most)];
}

function drawProbe() {
  const canvas = byId("probe"), name = byId("probe-metric").value;
  const x = frameOf(channelX, unitX, 0.2), y = frameOf(channelY, unitY, 0.02);
  const plot = probePlot = new Plot(canvas, { x, y, right: 66, xLabel: "µm across", yLabel: "µm along the probe" });
  if (y[1] - y[0] < Math.min(600, 3 * (x[1] - x[0]))) plot.keepAspect(); // of a long probe it would leave a thin stroke
  plot.axes();
  plot.pen.fillStyle = color("mark");
  for (let channel = 0; channel < DATA.probe.ids.length; channel++) plot.pen.fillRect(plot.px(channelX(channel)) - 2, plot.py(channelY(channel)) - 1.5, 4, 3);
  const sorted = name ? finiteSorted(allUnits.map(unit => valueOf(name, unit))) : [];
  const low = sorted.length ? quantile(sorted, 0.02) : 0, high = sorted.length ? quantile(sorted, 0.98) : 1;
  const shareOf = value => high > low ? (value - low) / (high - low) : 0.5;
  const placed = allUnits.filter(unit => Number.isFinite(unitX(unit)) && Number.isFinite(unitY(unit)));
  probePlaces = new Map(placed.map(unit => [unit, plot.held(unitX(unit), unitY(unit))]));
  canvas.places = probePlaces;
  for (const [unit, place] of probePlaces) {
    const value = name ? valueOf(name, unit) : NaN;
    const fill = !name ? color("accent") : Number.isFinite(value) ? viridis(shareOf(value)) : color("card");
    if (place.side) plot.pointer(place, 6, fill, color("text")); else plot.dot(place.x, place.y, 4, fill, color("soft"));
  }
  const chosen = probePlaces.get(selectedUnit);
  if (chosen) plot.dot(chosen.x, chosen.y, 8, "transparent", color("second"));
  if (sorted.length) colorBar(plot, low, high, columnOf.get(name).unit);
  const beyond = [...probePlaces.values()].filter(place => place.side).length, nowhere = numUnits - placed.length;
  byId("probe-note").textContent = [beyond && `${plural(beyond, "unit")} beyond the frame: triangles at its border`, nowhere && `${plural(nowhere, "unit")} without a location`].filter(Boolean).join("; ");
}

function colorBar(plot, low, high, unit) {
  const left = plot.width - 58, top = plot.top + 16, height = Math.min(150, plot.bottom - top - 10);
  for (let i = 0; i < height; i++) { plot.pen.fillStyle = viridis(1 - i / height); plot.pen.fillRect(left, top + i, 12, 1.5); }
  plot.note(format(Number(high.toPrecision(3))), left + 16, top + 5, "left");
  plot.note(format(Number(low.toPrecision(3))), left + 16, top + height - 5, "left");
  plot.note(unit, left, top - 9, "left");
}

function unitAtProbe(event) {
  const box = byId("probe").getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  let best = null, least = 14 ** 2;
  for (const [unit, place] of probePlaces) {
    const far = (place.x - x) ** 2 + (place.y - y) ** 2;
    if (far < least) { least = far; best = unit; }
  }
  return best;
}

function startProbe() {
  const choice = byId("probe-metric"), canvas = byId("probe");
  setOptions(choice, DATA.columns.map(column => [column.name, column.name]), columnOf.has("snr") ? "snr" : DATA.columns[0]?.name ?? "");
  choice.closest("label").hidden = !DATA.columns.length;
  choice.addEventListener("change", drawProbe);
  canvas.addEventListener("click", event => { const unit = unitAtProbe(event); if (unit !== null) selectUnit(unit, true); });
  canvas.addEventListener("mousemove", event => {
    const unit = unitAtProbe(event), name = choice.value;
    showTooltip(unit === null ? null : `unit ${idOf(unit)}, at ${unitX(unit).toFixed(0)}, ${unitY(unit).toFixed(0)} µm${name ? `: ${name} ${withUnit(valueOf(name, unit), columnOf.get(name).unit)}` : ""}`, event);
  });
  canvas.addEventListener("mouseleave", () => showTooltip(null));
}

function drawLocation(unit) {
  const x0 = unitX(unit), y0 = unitY(unit), canvas = byId("location");
  byId("location-caption").textContent = DATA.units.has_locations ? "within 120 µm" : "of the main channel";
  if (!Number.isFinite(x0) || !Number.isFinite(y0)) return absent(canvas, "no location");
  const plot = new Plot(canvas, { x: [x0 - 120, x0 + 120], y: [y0 - 120, y0 + 120], xLabel: "µm", left: 48 }).keepAspect();
  plot.axes();
  plot.pen.save();
  plot.pen.beginPath(); plot.pen.rect(plot.left, plot.top, plot.right - plot.left, plot.bottom - plot.top); plot.pen.clip();
  plot.pen.fillStyle = color("mark");
  let channelsSeen = 0;
  for (let channel = 0; channel < DATA.probe.ids.length; channel++) {
    plot.pen.fillRect(plot.px(channelX(channel)) - 4, plot.py(channelY(channel)) - 4, 8, 8);
    channelsSeen += !plot.held(channelX(channel), channelY(channel)).side;
  }
  for (const other of allUnits) if (other !== unit) plot.dot(plot.px(unitX(other)), plot.py(unitY(other)), 3, color("soft"));
  if (comparedUnit !== null) plot.dot(plot.px(unitX(comparedUnit)), plot.py(unitY(comparedUnit)), 4.5, color("third"), color("card"));
  plot.dot(plot.px(x0), plot.py(y0), 6, color("second"), color("card"));
  plot.pen.restore();
  if (!channelsSeen) plot.note("no channel within 120 µm", undefined, plot.top + 8);
}
