// The overview: probe, drift raster, similarity matrix, histograms of the main metrics.
let probePlot = null, similarityOrder = null, similarityPicture = null, rasterOrder = null;

const probeColumns = () => [...DATA.columns.map(column => column.name)];

function drawProbe() {
  const canvas = byId("probe"), name = byId("probe-metric").value;
  const channels = unpack(DATA.probe.locations);
  const xs = [], ys = [];
  for (let i = 0; i < channels.length; i += 2) { xs.push(channels[i]); ys.push(channels[i + 1]); }
  const all = Array.from({ length: numUnits }, (_, i) => i);
  const reach = { x: rangeOf(xs, 0.2), y: rangeOf(ys, 0.02) };
  const near = all.filter(i => Number.isFinite(unitX(i)) && Number.isFinite(unitY(i)));
  reach.x = rangeOf([...xs, ...near.map(i => Math.min(Math.max(unitX(i), reach.x[0] - 150), reach.x[1] + 150))], 0.05);
  reach.y = rangeOf([...ys, ...near.map(i => Math.min(Math.max(unitY(i), reach.y[0] - 150), reach.y[1] + 150))], 0.02);
  const plot = probePlot = new Plot(canvas, { ...reach, right: 66, xLabel: "µm across", yLabel: "µm along the probe" });
  if ((reach.y[1] - reach.y[0]) < 3 * (reach.x[1] - reach.x[0])) plot.keepAspect();
  plot.axes();
  plot.pen.fillStyle = color("line");
  for (let i = 0; i < xs.length; i++) plot.pen.fillRect(plot.px(xs[i]) - 2, plot.py(ys[i]) - 1.5, 4, 3);
  const values = name ? unpack(DATA.metrics[name]) : null;
  const sorted = values ? finiteSorted(values) : [];
  const low = sorted.length ? quantile(sorted, 0.02) : 0, high = sorted.length ? quantile(sorted, 0.98) : 1;
  const shareOf = value => high > low ? (value - low) / (high - low) : 0.5;
  for (const i of near) {
    const fill = !values ? color("accent") : Number.isFinite(values[i]) ? viridis(shareOf(values[i])) : "transparent";
    plot.dot(plot.px(unitX(i)), plot.py(unitY(i)), 4, fill, color("soft"));
  }
  if (selectedUnit !== null && near.includes(selectedUnit))
    plot.dot(plot.px(unitX(selectedUnit)), plot.py(unitY(selectedUnit)), 8, "transparent", color("second"));
  if (sorted.length) colorBar(plot, low, high, name);
}

function colorBar(plot, low, high, name) {
  const left = plot.width - 58, top = plot.top + 16, height = Math.min(150, plot.bottom - top - 10);
  for (let i = 0; i < height; i++) { plot.pen.fillStyle = viridis(1 - i / height); plot.pen.fillRect(left, top + i, 12, 1.5); }
  plot.note(format(Number(high.toPrecision(3))), left + 16, top + 5, "left");
  plot.note(format(Number(low.toPrecision(3))), left + 16, top + height - 5, "left");
  plot.note(columnOf.get(name).unit, left, top - 9, "left");
}

function drawRaster() {
  const raster = DATA.raster, canvas = byId("raster");
  if (!raster) return absent(canvas, "spike_locations were not computed");
  const times = unpack(raster.times), depths = unpack(raster.depths), units = unpack(raster.units);
  const sizes = raster.sizes ? unpack(raster.sizes) : null;
  const ends = DATA.segment_ends_s;
  const plot = new Plot(canvas, { x: [0, DATA.duration_s], y: [raster.low_um, raster.high_um], xLabel: "time (s)", yLabel: "µm along the probe" });
  plot.axes();
  for (const end of ends.slice(0, -1)) plot.vertical(end, color("line"), []);
  const low = rgbOf("shade-low"), high = rgbOf("shade-high");
  const shades = Array.from({ length: 32 }, (_, i) => css(mix([low, high], i / 31)));
  rasterOrder ??= Uint32Array.from(times, (_, i) => i).sort((a, b) => sizes ? sizes[a] - sizes[b] : 0);
  const size = times.length > 8000 ? 1.3 : 2, highlight = [];
  let shade = -1;
  for (const i of rasterOrder) {
    const wanted = sizes ? sizes[i] >> 3 : 20;
    if (wanted !== shade) plot.pen.fillStyle = shades[shade = wanted];
    const x = plot.px(times[i] / 65535 * DATA.duration_s), y = plot.py(raster.low_um + depths[i] / 65535 * (raster.high_um - raster.low_um));
    if (units[i] === selectedUnit) highlight.push([x, y]);
    plot.pen.fillRect(x, y, size, size);
  }
  plot.pen.fillStyle = color("second");
  for (const [x, y] of highlight) plot.pen.fillRect(x - 0.5, y - 0.5, 2.5, 2.5);
  const share = times.length < raster.num_spikes ? `${times.length.toLocaleString("en")} of ${raster.num_spikes.toLocaleString("en")} spikes` : "all spikes";
  const dark = sizes ? `; strong: ${format(Number(raster.sizes_range[1].toPrecision(3)))} ${DATA.amplitude_unit} or more, faint: ${format(Number(raster.sizes_range[0].toPrecision(3)))} or less` : "";
  byId("raster-caption").textContent = `location along the probe against time, ${share}${dark}; orange: the unit below`;
}

function drawSimilarity() {
  const canvas = byId("similarity");
  if (!DATA.similarity) return absent(canvas, "template_similarity was not computed");
  const values = unpack(DATA.similarity), n = numUnits;
  const depth = i => Number.isFinite(unitY(i)) ? unitY(i) : -Infinity;
  similarityOrder ??= Array.from({ length: n }, (_, i) => i).sort((a, b) => depth(b) - depth(a) || a - b);
  similarityPicture ??= paintSimilarity(values, n);
  const plot = new Plot(canvas, { x: [0, n], y: [n, 0], left: 8, bottom: 34 });
  const side = Math.min(plot.right - plot.left, plot.bottom - plot.top);
  plot.right = plot.left + side; plot.bottom = plot.top + side;
  plot.pen.imageSmoothingEnabled = false;
  plot.pen.drawImage(similarityPicture, plot.left, plot.top, side, side);
  canvas.plot = plot;
  const bar = { left: plot.left, width: Math.min(160, side), top: plot.bottom + 8 };
  for (let i = 0; i < bar.width; i++) { plot.pen.fillStyle = viridis(i / bar.width); plot.pen.fillRect(bar.left + i, bar.top, 1.5, 8); }
  plot.note("0", bar.left, bar.top + 16, "left");
  plot.note("1", bar.left + bar.width, bar.top + 16, "right");
  if (selectedUnit !== null) {
    const at = similarityOrder.indexOf(selectedUnit), half = side / n / 2;
    plot.pen.strokeStyle = color("second"); plot.pen.lineWidth = 1.5;
    plot.pen.strokeRect(plot.left, plot.py(at + 0.5) - half, side, Math.max(2, 2 * half));
  }
}

function paintSimilarity(values, n) {
  const picture = document.createElement("canvas");
  picture.width = picture.height = n;
  const pen = picture.getContext("2d"), image = pen.createImageData(n, n), pixels = new Uint32Array(image.data.buffer);
  const shades = Uint32Array.from({ length: 256 }, (_, i) => {
    const [red, green, blue] = mix(VIRIDIS, i / 255);
    return (255 << 24 | blue << 16 | green << 8 | red) >>> 0;
  });
  for (let row = 0; row < n; row++) for (let column = 0; column < n; column++)
    pixels[row * n + column] = shades[values[similarityOrder[row] * n + similarityOrder[column]]];
  pen.putImageData(image, 0, 0);
  return picture;
}

function drawHistograms() {
  const box = byId("histograms");
  box.replaceChildren();
  const names = ["rp_contamination", "presence_ratio", "amplitude_cutoff", "snr", "firing_rate", "isi_violations_ratio"];
  const waiting = [];
  for (const column of names.map(name => columnOf.get(name)).filter(Boolean)) {
    const values = finiteSorted(unpack(DATA.metrics[column.name])), threshold = column.threshold;
    const card = element("div", "histogram"), canvas = element("canvas"), text = element("p");
    const title = element("p");
    title.append(element("b", "", column.name), column.unit ? ` (${column.unit})` : "");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", `Histogram of ${column.name}`);
    const good = values.filter(value => passes(threshold, value)).length;
    const missing = numUnits - values.length;
    text.textContent = `${good} of ${numUnits} ${threshold.text}${missing ? `, ${missing} without a value` : ""}`;
    explain(card, `${column.meaning} Dashed: ${threshold.text}, ${threshold.source}.`);
    card.append(title, canvas, text);
    box.append(card);
    waiting.push(() => drawHistogram(canvas, values, threshold));
  }
  for (const draw of waiting) draw();
}

function drawHistogram(canvas, values, threshold) {
  if (!values.length) return absent(canvas, "no values");
  // The far tail would hide the rest: it is gathered in the last bin.
  const top = Math.max(quantile(values, 0.98), threshold.value), bottom = Math.min(values[0], threshold.value);
  const high = top > bottom ? top + (top - bottom) * 0.02 : bottom + 1, number = 30, width = (high - bottom) / number;
  const counts = new Array(number).fill(0), edges = Array.from({ length: number + 1 }, (_, i) => bottom + i * width);
  for (const value of values) counts[Math.min(number - 1, Math.floor((value - bottom) / width))]++;
  const plot = new Plot(canvas, { x: [bottom, high], y: [0, Math.max(...counts) * 1.05], left: 30, bottom: 20 });
  const isGood = i => passes(threshold, (edges[i] + edges[i + 1]) / 2);
  plot.bars(edges, counts.map((count, i) => isGood(i) ? count : 0), color("accent"));
  plot.bars(edges, counts.map((count, i) => isGood(i) ? 0 : count), color("second"));
  plot.axes({ xTicks: niceTicks(bottom, high, 3) });
  plot.vertical(threshold.value, color("text"));
}

function unitNear(event, plot) {
  const box = plot.canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  let best = null, least = 14 ** 2;
  for (let i = 0; i < numUnits; i++) {
    const far = (plot.px(unitX(i)) - x) ** 2 + (plot.py(unitY(i)) - y) ** 2;
    if (far < least) { least = far; best = i; }
  }
  return best;
}

function pairAt(event) {
  const canvas = byId("similarity"), plot = canvas.plot;
  if (!plot) return null;
  const box = canvas.getBoundingClientRect();
  const column = Math.floor(plot.atX(event.clientX - box.left)), row = Math.floor(plot.atY(event.clientY - box.top));
  if (Math.min(row, column) < 0 || Math.max(row, column) >= numUnits) return null;
  return [similarityOrder[row], similarityOrder[column]];
}

function startOverview() {
  const choice = byId("probe-metric");
  for (const name of probeColumns()) choice.append(new Option(name, name));
  choice.value = columnOf.has("snr") ? "snr" : DATA.columns.length ? DATA.columns[0].name : "";
  choice.addEventListener("change", drawProbe);
  byId("probe").addEventListener("click", event => { const unit = unitNear(event, probePlot); if (unit !== null) selectUnit(unit, true); });
  byId("probe").addEventListener("mousemove", event => {
    const unit = unitNear(event, probePlot), name = choice.value;
    showTooltip(unit === null ? null : `unit ${DATA.units.ids[unit]}${name ? `: ${name} ${format(valueOf(name, unit))} ${columnOf.get(name).unit}` : ""}`, event);
  });
  byId("similarity").addEventListener("click", event => { const pair = pairAt(event); if (pair) selectUnit(pair[0], true); });
  byId("similarity").addEventListener("mousemove", event => {
    const pair = pairAt(event);
    showTooltip(pair && `${DATA.units.ids[pair[0]]} and ${DATA.units.ids[pair[1]]}: ${format(unpack(DATA.similarity)[pair[0] * numUnits + pair[1]] / 255)}`, event);
  });
  for (const id of ["probe", "similarity"]) byId(id).addEventListener("mouseleave", () => showTooltip(null));
}
