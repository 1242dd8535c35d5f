// A unit's spikes: correlograms, intervals, amplitudes and rate over time.
function drawCorrelogram(box, counts, fill, isSmall, label = "") {
  const edges = DATA.correlograms.edges_ms;
  chart(box, {
    x: { range: [edges[0], edges[edges.length - 1]], label: isSmall ? "" : "ms" },
    y: { range: [0, topOf(counts)], areWhole: true, label: isSmall ? "" : "spike pairs", room: isSmall ? 40 : 58 },
    draw: area => { area.bars(edges, counts, fill); if (label) area.note(label); },
  });
}

function drawAutocorrelogram(unit) {
  const box = byId("autocorrelogram");
  if (!DATA.correlograms) return noChart(box, "correlograms were not computed");
  drawCorrelogram(box, Array.from(rowOf(DATA.correlograms.auto, unit)), color("accent"), false);
}

let rowOfPair = null;
// Counts by lag of `other` after `unit`; null where the page does not hold the pair.
function crossCounts(unit, other) {
  const { pairs } = DATA.correlograms;
  if (!rowOfPair) {
    const first = unpack(pairs.first), second = unpack(pairs.second);
    rowOfPair = new Map(Array.from(first, (a, row) => [a * numUnits + second[row], row]));
  }
  const isTurned = unit > other, row = rowOfPair.get(isTurned ? other * numUnits + unit : unit * numUnits + other);
  if (row === undefined) return null;
  const scale = pairs.scales ? unpack(pairs.scales)[row] : 1, counts = Array.from(rowOf(pairs.counts, row), count => Math.round(count * scale));
  return isTurned ? counts.reverse() : counts;
}

function drawPair(box, unit, other, isSmall) {
  if (!DATA.correlograms) return noChart(box, "correlograms were not computed");
  const counts = crossCounts(unit, other);
  if (!counts) return noChart(box, `not in this page, which holds the correlograms of the ${counted(DATA.correlograms.pairs.counts.shape[0])} nearest pairs of units; the result has them all`);
  drawCorrelogram(box, counts, color(isSmall ? "soft" : "third"), isSmall);
}

function drawCross(unit, other) {
  byId("cross-caption").textContent = other === null ? "" : `unit ${idOf(other)} around the spikes of unit ${idOf(unit)}`;
  if (other === null) return noChart(byId("cross"), "no unit to compare with is chosen");
  drawPair(byId("cross"), unit, other, false);
}

function drawIntervals(unit) {
  const { bin_ms: bin, limit_ms: limit, short } = DATA.isi, counts = Array.from(rowOf(DATA.isi.counts, unit));
  const edges = Array.from({ length: counts.length + 1 }, (_, i) => i * bin), isShort = i => edges[i + 1] <= limit + 1e-6;
  chart(byId("isi"), {
    x: { range: [0, counts.length * bin], label: "ms" }, y: { range: [0, topOf(counts)], areWhole: true, label: "intervals", room: 58 },
    draw: area => {
      area.bars(edges, counts.map((count, i) => isShort(i) ? 0 : count), color("accent"));
      area.bars(edges, counts.map((count, i) => isShort(i) ? count : 0), color("second"));
      area.vertical(limit, color("soft"));
    },
  });
  byId("isi-caption").textContent = `${counted(unpack(short)[unit])} shorter than ${format(limit)} ms`;
}

function drawAmplitudes(unit) {
  const box = byId("amplitude"), amplitudes = DATA.amplitudes, caption = byId("amplitude-caption");
  caption.textContent = "";
  if (!amplitudes) return noChart(box, "spike_amplitudes were not computed");
  const edges = unpack(amplitudes.edges), [low, high] = rowOf(amplitudes.ranges, unit), number = edges[unit + 1] - edges[unit], total = spikesOf(unit);
  const times = Array.from(unpack(amplitudes.times).subarray(edges[unit], edges[unit + 1]), timeOf);
  const values = Array.from(unpack(amplitudes.values).subarray(edges[unit], edges[unit + 1]), value => low + value / 65535 * (high - low));
  const wide = Math.round((box.clientWidth || 300) * 0.2);
  timeChart(box, {
    y: { range: rangeOf([low, high], 0.04), label: DATA.amplitude_unit, room: 58 }, right: wide + 14,
    draw: area => { segmentEnds(area); area.points(times, values, color("accent"), 2.4, 0.75); paintDistribution(area, unit, wide * area.ratio); },
  });
  caption.textContent = number < total ? `${counted(number)} of ${counted(total)} spikes, distribution of all` : "all spikes and their distribution";
}

// Beside the points, on the same scale. Where amplitudes come in steps of the converter, a bin holds whole steps.
function paintDistribution(area, unit, wide) {
  const counts = Array.from(rowOf(DATA.amplitudes.counts, unit)), [low, bin] = rowOf(DATA.amplitudes.bins, unit), most = Math.max(1, ...counts), { pen } = area;
  pen.restore();
  pen.save();
  pen.fillStyle = color("accent");
  counts.forEach((count, i) => {
    if (!count) return;
    const bottom = area.py(low + i * bin), top = area.py(low + (i + 1) * bin);
    pen.fillRect(area.right + 8 * area.ratio, top, Math.max(area.ratio, wide * count / most), Math.max(area.ratio, bottom - top - 0.5 * area.ratio));
  });
}

function drawRate(unit) {
  const { bin_s: bin } = DATA.rates, rates = Array.from(rowOf(DATA.rates.counts, unit), (count, i) => count / Math.min(bin, DATA.duration_s - i * bin));
  const xs = rates.flatMap((_, i) => [i * bin, Math.min(DATA.duration_s, (i + 1) * bin)]), ys = rates.flatMap(rate => [rate, rate]);
  const mean = spikesOf(unit) / DATA.duration_s;
  timeChart(byId("rate"), {
    y: { range: [0, Math.max(...rates, mean) * 1.08 || 1], label: "spikes/s", room: 58 },
    draw: area => { segmentEnds(area); area.horizontal(mean, color("soft")); area.line(xs, ys, color("accent"), 1.5); },
  });
  byId("rate-caption").textContent = `bins of ${format(Number(bin.toPrecision(3)))} s; dashed: mean ${format(Number(mean.toPrecision(3)))} spikes/s`;
}
