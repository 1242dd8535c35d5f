// One unit's part of the page; drawn when it is chosen.
const msOf = (samples, before) => Float32Array.from({ length: samples }, (_, i) => (i - before) / DATA.sampling_frequency_hz * 1000);
const scaled = (values, scale) => Float32Array.from(values, value => value * scale);

function drawUnit(unit) {
  const id = DATA.units.ids[unit], channel = unpack(DATA.units.main_channels)[unit];
  byId("unit-title").textContent = `Unit ${id}`;
  drawBadges(unit, channel);
  drawTemplate(unit, channel);
  drawWaveforms(unit, channel);
  drawAutocorrelogram(unit);
  drawIntervals(unit);
  drawLocation(unit);
  drawAmplitudes(unit);
  drawNeighbours(unit);
  listMetrics(unit);
}

function drawBadges(unit, channel) {
  const box = byId("unit-badges");
  box.replaceChildren(
    element("span", "badge", `${unpack(DATA.units.num_spikes)[unit].toLocaleString("en")} spikes`),
    element("span", "badge", `main channel ${DATA.probe.ids[channel]}`));
  if (DATA.units.has_locations) box.append(element("span", "badge", `at ${unitX(unit).toFixed(0)}, ${unitY(unit).toFixed(0)} µm`));
  for (const column of DATA.columns.filter(candidate => candidate.threshold)) {
    const value = valueOf(column.name, unit), isGood = passes(column.threshold, value);
    const mark = Number.isNaN(value) ? "?" : isGood ? "✓" : "✗";
    const badge = element("span", `badge ${Number.isNaN(value) ? "" : isGood ? "good" : "bad"}`, `${mark} ${column.name} ${format(value)}`);
    explain(badge, `${column.meaning} Wanted: ${column.threshold.text} (${column.threshold.source}).`);
    box.append(badge);
  }
}

function drawTemplate(unit, main) {
  const canvas = byId("template"), templates = DATA.templates;
  if (!templates) { byId("template-caption").textContent = ""; return absent(canvas, "templates were not computed"); }
  const channels = Array.from(rowOf(templates.channels, unit)).filter(channel => channel >= 0);
  const values = rowOf(templates.values, unit), scale = unpack(templates.scales)[unit], samples = templates.values.shape[2];
  const places = unpack(DATA.probe.locations);
  const xs = channels.map(channel => places[2 * channel]), ys = channels.map(channel => places[2 * channel + 1]);
  const plot = new Plot(canvas, { x: [0, 1], y: [0, 1], left: 6, right: 6, top: 6, bottom: 22 });
  const gapX = leastGap(xs), gapY = leastGap(ys);
  const spanX = Math.max(...xs) - Math.min(...xs) + gapX, spanY = Math.max(...ys) - Math.min(...ys) + gapY;
  plot.x = [Math.min(...xs) - gapX / 2, Math.min(...xs) - gapX / 2 + spanX];
  plot.y = [Math.min(...ys) - 0.8 * gapY, Math.min(...ys) + spanY - 0.3 * gapY];
  const cellWidth = (plot.right - plot.left) / spanX * gapX, cellHeight = (plot.bottom - plot.top) / (plot.y[1] - plot.y[0]) * gapY;
  const tall = Math.max(cellHeight * 1.6, 24) / 127 * 0.75;
  channels.forEach((channel, row) => {
    const pen = plot.pen, x0 = plot.px(xs[row]) - cellWidth * 0.44, y0 = plot.py(ys[row]);
    pen.strokeStyle = color("line"); pen.lineWidth = 1;
    pen.beginPath(); pen.moveTo(x0, y0); pen.lineTo(x0 + cellWidth * 0.88, y0); pen.stroke();
    pen.strokeStyle = channel === main ? color("second") : color("accent");
    pen.lineWidth = channel === main ? 2.2 : 1.3; pen.lineJoin = "round";
    pen.beginPath();
    for (let i = 0; i < samples; i++) pen.lineTo(x0 + cellWidth * 0.88 * i / (samples - 1), y0 - values[row * samples + i] * tall);
    pen.stroke();
    if (cellHeight > 15 || channel === main) plot.note(DATA.probe.ids[channel], x0 + 1, y0 - 6, "left");
  });
  const ms = samples / DATA.sampling_frequency_hz * 1000;
  plot.note(`each trace ${format(Number(ms.toFixed(2)))} ms; largest ${format(Number((scale * 127).toPrecision(3)))} ${DATA.amplitude_unit}`, plot.left, plot.height - 8, "left");
  byId("template-caption").textContent = `${channels.length} channels at their places; orange: main`;
}

// The smallest distance between different places on one axis.
function leastGap(places) {
  const sorted = [...new Set(places)].sort((a, b) => a - b);
  const gaps = sorted.slice(1).map((place, i) => place - sorted[i]).filter(gap => gap > 1);
  return gaps.length ? Math.min(...gaps) : 20;
}

function drawWaveforms(unit, main) {
  const canvas = byId("waveforms"), sample = DATA.waveforms, caption = byId("waveforms-caption");
  caption.textContent = "";
  const mean = mainTemplate(unit, main);
  if (!sample && !mean) return absent(canvas, "waveforms were not computed");
  const curves = [];
  let before = DATA.templates ? DATA.templates.num_before : 0;
  if (sample) {
    const edges = unpack(sample.edges), length = sample.values.shape[1], scale = unpack(sample.scales)[unit];
    before = sample.num_before;
    for (let row = edges[unit]; row < edges[unit + 1]; row++) curves.push(scaled(unpack(sample.values).subarray(row * length, (row + 1) * length), scale));
    caption.textContent = `${curves.length} on channel ${DATA.probe.ids[main]}; orange: average`;
  }
  const range = rangeOf(curves.flatMap(curve => [Math.min(...curve), Math.max(...curve)]).concat(mean ? Array.from(mean) : []), 0.05);
  const samples = curves.length ? curves[0].length : mean.length, times = msOf(samples, before);
  const plot = new Plot(canvas, { x: [times[0], times[samples - 1]], y: range, left: 54, xLabel: "ms", yLabel: DATA.amplitude_unit });
  plot.axes();
  for (const curve of curves) plot.line(times, curve, color("soft"), 0.8, 0.55);
  if (mean) plot.line(msOf(mean.length, DATA.templates.num_before), mean, color("second"), 2.2);
}

function mainTemplate(unit, main) {
  if (!DATA.templates) return null;
  const row = Array.from(rowOf(DATA.templates.channels, unit)).indexOf(main), samples = DATA.templates.values.shape[2];
  if (row < 0) return null;
  return scaled(rowOf(DATA.templates.values, unit).subarray(row * samples, (row + 1) * samples), unpack(DATA.templates.scales)[unit]);
}

function drawCorrelogram(canvas, counts, fill, small) {
  const edges = DATA.correlograms.edges_ms;
  const plot = new Plot(canvas, { x: [edges[0], edges[edges.length - 1]], y: [0, Math.max(1, ...counts) * 1.05], left: small ? 34 : 46, bottom: small ? 20 : 34, xLabel: small ? "" : "ms", yLabel: small ? "" : "spike pairs" });
  plot.bars(edges, counts, fill);
  plot.axes();
}

function drawAutocorrelogram(unit) {
  const canvas = byId("autocorrelogram");
  if (!DATA.correlograms) return absent(canvas, "correlograms were not computed");
  drawCorrelogram(canvas, Array.from(rowOf(DATA.correlograms.auto, unit)), color("accent"), false);
}

function drawIntervals(unit) {
  const counts = Array.from(rowOf(DATA.isi.counts, unit)), bin = DATA.isi.bin_ms;
  const edges = Array.from({ length: counts.length + 1 }, (_, i) => i * bin);
  const plot = new Plot(byId("isi"), { x: [0, counts.length * bin], y: [0, Math.max(1, ...counts) * 1.05], xLabel: "ms", yLabel: "intervals" });
  plot.bars(edges, counts.map((count, i) => edges[i + 1] <= 1.5 ? 0 : count), color("accent"));
  plot.bars(edges, counts.map((count, i) => edges[i + 1] <= 1.5 ? count : 0), color("second"));
  plot.axes();
  plot.vertical(1.5, color("soft"));
  const short = counts.reduce((sum, count, i) => sum + (edges[i + 1] <= 1.5 ? count : 0), 0);
  plot.note(`${short} below 1.5 ms`, plot.right, plot.top + 8, "right");
}

function drawLocation(unit) {
  const places = unpack(DATA.probe.locations), x0 = unitX(unit), y0 = unitY(unit), canvas = byId("location");
  byId("location-caption").textContent = DATA.units.has_locations ? "within 120 µm" : "of the main channel";
  if (!Number.isFinite(x0) || !Number.isFinite(y0)) return absent(canvas, "no location");
  const plot = new Plot(canvas, { x: [x0 - 120, x0 + 120], y: [y0 - 120, y0 + 120], xLabel: "µm", left: 48 }).keepAspect();
  plot.axes();
  plot.pen.save();
  plot.pen.beginPath(); plot.pen.rect(plot.left, plot.top, plot.right - plot.left, plot.bottom - plot.top); plot.pen.clip();
  plot.pen.fillStyle = color("line");
  for (let i = 0; i < places.length; i += 2) plot.pen.fillRect(plot.px(places[i]) - 4, plot.py(places[i + 1]) - 4, 8, 8);
  for (let i = 0; i < numUnits; i++) if (i !== unit) plot.dot(plot.px(unitX(i)), plot.py(unitY(i)), 3, color("soft"));
  plot.dot(plot.px(x0), plot.py(y0), 6, color("second"), color("card"));
  plot.pen.restore();
}

function drawAmplitudes(unit) {
  const canvas = byId("amplitude"), amplitudes = DATA.amplitudes, caption = byId("amplitude-caption");
  caption.textContent = "";
  if (!amplitudes) return absent(canvas, "spike_amplitudes were not computed");
  const edges = unpack(amplitudes.edges), [low, high] = rowOf(amplitudes.ranges, unit), counts = Array.from(rowOf(amplitudes.counts, unit));
  const y = rangeOf([low, high], 0.04), number = edges[unit + 1] - edges[unit], total = unpack(DATA.units.num_spikes)[unit];
  const wide = Math.round((canvas.clientWidth || 300) * 0.2);
  const plot = new Plot(canvas, { x: [0, DATA.duration_s], y, right: wide + 14, left: 54, xLabel: "time (s)", yLabel: DATA.amplitude_unit });
  plot.axes();
  for (const end of DATA.segment_ends_s.slice(0, -1)) plot.vertical(end, color("line"), []);
  plot.pen.fillStyle = color("accent"); plot.pen.globalAlpha = 0.75;
  for (let i = edges[unit]; i < edges[unit + 1]; i++) {
    const at = unpack(amplitudes.times)[i] / 65535 * DATA.duration_s, value = low + unpack(amplitudes.values)[i] / 65535 * (high - low);
    plot.pen.fillRect(plot.px(at) - 1, plot.py(value) - 1, 2.4, 2.4);
  }
  plot.pen.globalAlpha = 1;
  const most = Math.max(1, ...counts), bin = (high - low) / counts.length, from = plot.right + 8;
  plot.pen.fillStyle = color("accent");
  counts.forEach((count, i) => {
    const bottom = plot.py(low + i * bin), top = plot.py(low + (i + 1) * bin);
    plot.pen.fillRect(from, top, wide * count / most, Math.max(1, bottom - top - 0.5));
  });
  caption.textContent = number < total ? `${number} of ${total.toLocaleString("en")} spikes, distribution of all` : "all spikes and their distribution";
}

function drawNeighbours(unit) {
  const box = byId("neighbours"), neighbours = Array.from(rowOf(DATA.neighbours, unit));
  byId("neighbours-title").textContent = neighbours.length === 0 ? "" : DATA.similarity ? "Most similar units" : "Nearest units";
  const counts = DATA.correlograms ? rowOf(DATA.correlograms.cross, unit) : null;
  const bins = counts ? counts.length / neighbours.length : 0, waiting = [];
  box.replaceChildren(...neighbours.map((other, rank) => {
    const figure = element("figure"), caption = element("figcaption"), canvas = element("canvas");
    const link = element("button", "", `unit ${DATA.units.ids[other]}`);
    link.type = "button";
    caption.append(link);
    if (DATA.similarity) caption.append(` similarity ${(unpack(DATA.similarity)[unit * numUnits + other] / 255).toFixed(2)}`);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Cross-correlogram with unit ${DATA.units.ids[other]}`);
    figure.append(caption, canvas);
    figure.addEventListener("click", () => selectUnit(other, true));
    waiting.push(() => counts ? drawCorrelogram(canvas, Array.from(counts.subarray(rank * bins, (rank + 1) * bins)), color("soft"), true) : absent(canvas, "no correlograms"));
    return figure;
  }));
  for (const draw of waiting) draw();
}

function listMetrics(unit) {
  if (!byId("all-metrics").open) return;
  byId("metric-list").replaceChildren(...DATA.columns.map(column => {
    const row = element("div");
    row.append(element("dt", "", column.name), element("dd", "", `${format(valueOf(column.name, unit))} ${column.unit}`));
    explain(row, `${column.meaning}${column.source ? ` Source: ${column.source}.` : ""}`);
    return row;
  }));
}
