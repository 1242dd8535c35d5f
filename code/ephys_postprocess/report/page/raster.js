// Spikes along the probe over time, the window of time that every picture over time shows, and the noise of channels.
const wholeTime = [0, DATA.duration_s];
let timeWindow = wholeTime, rasterOrder = null, areMarksWaiting = false;
const timeCharts = new Set();
const timeOf = share => share / 65535 * DATA.duration_s;

function timeChart(box, options) {
  timeCharts.delete(charts.get(box));
  timeCharts.add(chart(box, { ...options, x: { range: () => timeWindow, label: "time (s)" }, canZoom: true, onZoom: wanted => showTime(wanted ?? wholeTime) }));
}

function showTime(wanted) {
  const low = Math.max(0, Math.min(...wanted)), high = Math.min(DATA.duration_s, Math.max(...wanted));
  timeWindow = high > low ? [low, high] : wholeTime;
  for (const made of timeCharts) made.setScale("x", { min: timeWindow[0], max: timeWindow[1] });
  byId("time-from").value = Number(timeWindow[0].toFixed(3));
  byId("time-to").value = Number(timeWindow[1].toFixed(3));
}

function startTime() {
  const from = byId("time-from"), to = byId("time-to");
  from.value = 0;
  to.value = Number(DATA.duration_s.toFixed(3));
  for (const input of [from, to]) input.addEventListener("change", () => showTime([Number(from.value), Number(to.value)]));
  byId("time-whole").addEventListener("click", () => showTime(wholeTime));
}

function segmentEnds(area) {
  for (const end of DATA.segment_ends_s.slice(0, -1)) area.vertical(end, color("mark"), []);
}

function drawRaster() {
  const raster = DATA.raster, box = byId("raster");
  if (!raster) { byId("raster-caption").textContent = ""; return noChart(box, "spike_locations were not computed"); }
  const times = unpack(raster.times), sizes = raster.sizes ? unpack(raster.sizes) : null;
  rasterOrder ??= Uint32Array.from(times, (_, i) => i).sort((a, b) => sizes ? sizes[a] - sizes[b] : 0);
  timeChart(box, { y: { range: [raster.low_um, raster.high_um], label: "µm along the probe", room: 62 }, draw: area => { segmentEnds(area); paintSpikes(area, sizes); markRaster(); } });
  const share = times.length < raster.num_spikes ? `${counted(times.length)} of ${counted(raster.num_spikes)} spikes` : "all spikes";
  const dark = sizes ? `; strong: ${format(Number(raster.sizes_range[1].toPrecision(3)))} ${DATA.amplitude_unit} or more, faint: ${format(Number(raster.sizes_range[0].toPrecision(3)))} or less` : "";
  byId("raster-caption").textContent = `location along the probe against time, ${share}${dark}; orange: the unit below. Drag to zoom, double-click to go back.`;
}

const spikeDepth = i => DATA.raster.low_um + unpack(DATA.raster.depths)[i] / 65535 * (DATA.raster.high_um - DATA.raster.low_um);

function paintSpikes(area, sizes) {
  const times = unpack(DATA.raster.times), low = rgbOf("shade-low"), high = rgbOf("shade-high");
  const shades = Array.from({ length: 32 }, (_, i) => css(mix([low, high], i / 31)));
  const size = (times.length > 8000 ? 1.3 : 2) * area.ratio;
  let shade = -1;
  for (const i of rasterOrder) {
    const x = area.px(timeOf(times[i]));
    if (x < area.left - 2 || x > area.right + 2) continue;
    const wanted = sizes ? sizes[i] >> 3 : 20;
    if (wanted !== shade) area.pen.fillStyle = shades[shade = wanted];
    area.pen.fillRect(x, area.py(spikeDepth(i)), size, size);
  }
}

// The chosen unit's spikes lie on a canvas of their own, so a step from unit to unit leaves the others as they are.
function markRaster() {
  if (!areMarksWaiting) { areMarksWaiting = true; requestAnimationFrame(paintMarks); }
}

function paintMarks() {
  areMarksWaiting = false;
  const made = charts.get(byId("raster")), canvas = byId("raster-marks");
  if (!made) return;
  canvas.width = made.ctx.canvas.width;
  canvas.height = made.ctx.canvas.height;
  canvas.style.width = `${made.width}px`;
  canvas.style.height = `${made.height}px`;
  const area = new Area(made), times = unpack(DATA.raster.times), units = unpack(DATA.raster.units);
  area.pen = canvas.getContext("2d");
  area.pen.fillStyle = color("second");
  const side = 2.5 * area.ratio;
  for (let i = 0; i < times.length; i++) {
    if (units[i] !== selectedUnit) continue;
    const x = area.px(timeOf(times[i]));
    if (x >= area.left && x <= area.right) area.pen.fillRect(x - side / 2, area.py(spikeDepth(i)) - side / 2, side, side);
  }
}

function drawNoise() {
  const box = byId("noise");
  if (!DATA.noise) { byId("noise-caption").textContent = ""; return noChart(box, "noise_levels were not computed"); }
  if (!finiteSorted(unpack(DATA.noise)).length) { byId("noise-caption").textContent = ""; return noChart(box, "no noise level has a value"); }
  const noise = unpack(DATA.noise), sorted = finiteSorted(noise), depths = Float64Array.from(noise, (_, channel) => channelY(channel));
  byId("noise-caption").textContent = `${DATA.amplitude_unit} a channel, median ${format(Number(quantile(sorted, 0.5).toPrecision(3)))}, largest ${format(Number(sorted[sorted.length - 1].toPrecision(3)))}`;
  chart(box, {
    x: { range: [0, sorted[sorted.length - 1] * 1.06 || 1], label: `noise (${DATA.amplitude_unit})` }, y: { range: rangeOf(depths, 0.02), label: "µm along the probe", room: 62 },
    draw: area => area.points(noise, depths, color("accent"), 4, 0.8),
    onMove: (event, made) => {
      const channel = nearestPoint(event, made, noise, depths);
      showTooltip(channel === null ? null : `channel ${DATA.probe.ids[channel]}: ${withUnit(noise[channel], DATA.amplitude_unit)}`, event);
    },
  });
}

// The index of the point under the pointer, or null.
function nearestPoint(event, made, xs, ys) {
  const box = made.over.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
  let best = null, least = 14 ** 2;
  for (let i = 0; i < xs.length; i++) {
    const far = (made.valToPos(xs[i], "x") - x) ** 2 + (made.valToPos(ys[i], "y") - y) ** 2;
    if (far < least) { least = far; best = i; }
  }
  return best;
}
