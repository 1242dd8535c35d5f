// Waveforms on the main channel: some of them, their spread, or how densely they lie.
const msOf = (samples, before) => Float32Array.from({ length: samples }, (_, i) => (i - before) / DATA.sampling_frequency_hz * 1000);
const scaled = (values, scale) => Float32Array.from(values, value => value * scale);

function mainTemplate(unit) {
  if (!DATA.templates) return null;
  const row = Array.from(rowOf(DATA.templates.channels, unit)).indexOf(mainChannelOf(unit)), samples = DATA.templates.values.shape[2];
  if (row < 0) return null;
  return scaled(rowOf(DATA.templates.values, unit).subarray(row * samples, (row + 1) * samples), unpack(DATA.templates.scales)[unit]);
}

function sampledWaveforms(unit) {
  const sample = DATA.waveforms;
  if (!sample) return [];
  const edges = unpack(sample.edges), length = sample.values.shape[1], scale = unpack(sample.scales)[unit], curves = [];
  for (let row = edges[unit]; row < edges[unit + 1]; row++) curves.push(scaled(unpack(sample.values).subarray(row * length, (row + 1) * length), scale));
  return curves;
}

function drawWaveforms(unit) {
  const box = byId("waveforms"), caption = byId("waveforms-caption"), view = byId("waveform-view").value, mean = mainTemplate(unit);
  const sample = DATA.waveforms, curves = sampledWaveforms(unit), name = DATA.probe.ids[mainChannelOf(unit)];
  caption.textContent = "";
  if (!curves.length && !mean) return noChart(box, "waveforms were not computed");
  const spread = DATA.spreads ? scaled(rowOf(DATA.spreads.values, unit), unpack(DATA.spreads.scales)[unit]) : null;
  const meanTimes = mean && msOf(mean.length, DATA.templates.num_before), times = curves.length ? msOf(curves[0].length, sample.num_before) : meanTimes;
  const shown = view === "spread" && spread && mean ? [mean.map((value, i) => value - 2 * spread[i]), mean.map((value, i) => value + 2 * spread[i])] : curves;
  const density = view === "density" ? DATA.densities : null, low = density ? rowOf(density.ranges, unit) : [];
  const range = rangeOf([...shown, ...(mean ? [mean] : []), low].flatMap(curve => curve.length ? [Math.min(...curve), Math.max(...curve)] : []), 0.05);
  caption.textContent = `channel ${name}; ${{ curves: curves.length ? plural(curves.length, "waveform") : "waveforms were not kept", spread: "shaded: one and two standard deviations", density: `${counted(density ? unpack(density.numbers)[unit] : 0)} waveforms, darker: more` }[view]}; orange: average`;
  chart(box, {
    x: { range: [times[0], times[times.length - 1]], label: "ms" }, y: { range, label: DATA.amplitude_unit, room: 58 },
    draw: area => {
      if (view === "spread") paintSpread(area, meanTimes, mean, spread);
      else if (view === "density") paintDensity(area, unit, density, times);
      else for (const curve of curves) area.line(times, curve, color("soft"), 0.8, 0.55);
      if (mean) area.line(meanTimes, mean, color("second"), 2.2);
    },
  });
}

function paintSpread(area, times, mean, spread) {
  const { pen } = area;
  for (const [width, alpha] of [[2, 0.16], [1, 0.28]]) {
    pen.beginPath();
    mean.forEach((value, i) => pen.lineTo(area.px(times[i]), area.py(value + width * spread[i])));
    for (let i = mean.length - 1; i >= 0; i--) pen.lineTo(area.px(times[i]), area.py(mean[i] - width * spread[i]));
    pen.closePath();
    pen.globalAlpha = alpha; pen.fillStyle = color("accent"); pen.fill(); pen.globalAlpha = 1;
  }
}

function paintDensity(area, unit, density, times) {
  const [, columns, levels] = density.counts.shape, counts = rowOf(density.counts, unit), [low, high] = rowOf(density.ranges, unit), most = Math.max(1, ...counts);
  const step = (times[times.length - 1] - times[0]) / columns, tall = (high - low) / levels;
  area.pen.fillStyle = color("accent");
  for (let column = 0; column < columns; column++) for (let level = 0; level < levels; level++) {
    const count = counts[column * levels + level];
    if (!count) continue;
    const x = area.px(times[0] + column * step), y = area.py(low + (level + 1) * tall);
    area.pen.globalAlpha = 0.12 + 0.88 * Math.sqrt(count / most);
    area.pen.fillRect(x, y, area.px(times[0] + (column + 1) * step) - x + 0.5, area.py(low + level * tall) - y + 0.5);
  }
  area.pen.globalAlpha = 1;
}

function startWaveforms() {
  const views = [["curves", DATA.waveforms ? "some waveforms" : "average"], ...(DATA.spreads ? [["spread", "spread"]] : []), ...(DATA.densities ? [["density", "density"]] : [])];
  setOptions(byId("waveform-view"), views, "curves");
  byId("waveform-view").hidden = views.length < 2;
  byId("waveform-view").addEventListener("change", () => drawWaveforms(selectedUnit));
}
