// A unit's template on its channels, each curve at its channel's place, with another unit's laid over it.
function drawTemplate(unit, other) {
  const canvas = byId("template"), templates = DATA.templates;
  canvas.layout = null;
  if (!templates) { byId("template-caption").textContent = ""; return absent(canvas, "templates were not computed"); }
  const main = mainChannelOf(unit), own = curvesOf(unit), added = other === null ? [] : curvesOf(other).filter(curve => own.some(mine => mine.channel === curve.channel));
  const plot = new Plot(canvas, { x: [0, 1], y: [0, 1], left: 8, right: 8, top: 8, bottom: 24 });
  const layout = layOut(plot, own, [...own, ...added]);
  const draw = (curve, stroke, width, dash) => {
    const pen = plot.pen, place = layout.places.get(curve.channel);
    pen.strokeStyle = stroke; pen.lineWidth = width; pen.lineJoin = "round"; pen.setLineDash(dash);
    pen.beginPath();
    curve.values.forEach((value, i) => pen.lineTo(place.x + place.width * i / (curve.values.length - 1), place.y - value * layout.tall));
    pen.stroke(); pen.setLineDash([]);
  };
  plot.pen.strokeStyle = color("faint"); plot.pen.lineWidth = 1;
  for (const { x, y, width } of layout.places.values()) { plot.pen.beginPath(); plot.pen.moveTo(x, y); plot.pen.lineTo(x + width, y); plot.pen.stroke(); }
  for (const curve of added) draw(curve, color("third"), 1.3, [4, 2]);
  for (const curve of own) draw(curve, curve.channel === main ? color("second") : color("accent"), curve.channel === main ? 2.2 : 1.3, []);
  for (const { text, box } of layout.names) plot.note(text, box[0], (box[1] + box[3]) / 2, "left");
  const ms = own[0].values.length / DATA.sampling_frequency_hz * 1000, largest = unpack(templates.scales)[unit] * 127;
  plot.note(`each trace ${format(Number(ms.toFixed(2)))} ms; largest ${format(Number(largest.toPrecision(3)))} ${DATA.amplitude_unit}`, plot.left, plot.height - 9, "left");
  canvas.layout = { frame: [plot.left, plot.top, plot.right, plot.bottom], names: layout.names, curves: [...layout.places].map(([channel, place]) => ({ channel, box: place.box })) };
  byId("template-caption").textContent = `${plural(own.length, "channel")} at their places${layout.names.length < own.length ? ", hover for their names" : ""}; orange: main${other === null ? "" : `; dashed: unit ${idOf(other)}${added.length ? "" : ", which has none of these channels"}`}`;
}

function curvesOf(unit) {
  const { channels, values } = DATA.templates, samples = values.shape[2], scale = unpack(DATA.templates.scales)[unit], all = rowOf(values, unit);
  return Array.from(rowOf(channels, unit)).flatMap((channel, row) => channel < 0 ? [] :
    [{ channel, values: Array.from(all.subarray(row * samples, (row + 1) * samples), value => value * scale) }]);
}

// The smallest distance between different places on one axis.
function leastGap(places) {
  const sorted = [...new Set(places)].sort((a, b) => a - b);
  const gaps = sorted.slice(1).map((place, i) => place - sorted[i]).filter(gap => gap > 1);
  return gaps.length ? Math.min(...gaps) : 20;
}

// Where curves and names go: every curve within the frame, names in a strip left of the curves so that none is crossed.
function layOut(plot, own, curves) {
  const xs = own.map(curve => channelX(curve.channel)), ys = own.map(curve => channelY(curve.channel));
  const gapX = leastGap(xs), low = Math.min(...ys), high = Math.max(...ys), left = Math.min(...xs), spanX = Math.max(...xs) - left + gapX;
  const cell = (plot.right - plot.left) / spanX * gapX, names = own.map(curve => DATA.probe.ids[curve.channel]);
  const stripFor = texts => Math.max(...texts.map(text => plot.pen.measureText(text).width)) + 5, room = 0.45 * cell;
  const texts = [shortNames(names), numbersOf(names)].find(candidate => candidate && stripFor(candidate) < room), strip = texts ? stripFor(texts) : 0;
  const largest = Math.max(1e-12, ...curves.flatMap(curve => curve.values.map(Math.abs))), rows = Math.max(1, (high - low) / leastGap(ys));
  const least = Math.min(0.67, rows / (rows + 1.4)) * (plot.bottom - plot.top);
  let tall = Math.max((plot.bottom - plot.top) / (rows + 1) * 1.2, 24) / largest, top = plot.top + 8, bottom = plot.bottom - 8;
  const atY = channel => high > low ? bottom - (channelY(channel) - low) / (high - low) * (bottom - top) : (top + bottom) / 2;
  const boxOf = curve => [atY(curve.channel) - Math.max(0, ...curve.values) * tall, atY(curve.channel) - Math.min(0, ...curve.values) * tall];
  for (let turn = 0; turn < 200; turn++) {
    const over = Math.max(0, ...curves.map(curve => plot.top - boxOf(curve)[0])), under = Math.max(0, ...curves.map(curve => boxOf(curve)[1] - plot.bottom));
    if (over < 0.01 && under < 0.01) break;
    // Rows move together, but only so far; beyond that curves become lower.
    if (high > low && bottom - top - over - under > least) { top += over; bottom -= under; } else tall *= 0.95;
  }
  const places = new Map(own.map((curve, i) => {
    const x = plot.left + (xs[i] - left) / spanX * (plot.right - plot.left) + strip, width = (cell - strip) * 0.94, y = atY(curve.channel);
    const [above, below] = boxOf(curve);
    return [curve.channel, { x, y, width, box: [x, above, x + width, below] }];
  }));
  return { places, tall, names: strip ? placeNames(own, texts, places, strip, plot) : [] };
}

// Names beside their curves; one that would touch another is left out, the main channel's first to stay.
function placeNames(own, texts, places, strip, plot) {
  const taken = [];
  own.forEach((curve, i) => {
    const { x, y } = places.get(curve.channel), box = [x - strip, y - 6, x - strip + plot.pen.measureText(texts[i]).width, y + 6];
    if (!taken.some(other => box[0] < other.box[2] && other.box[0] < box[2] && box[1] < other.box[3] && other.box[1] < box[3])) taken.push({ text: texts[i], box });
  });
  return taken;
}

// What tells names apart: "imec0.ap#AP351" and "imec0.ap#AP352" are AP351 and AP352 here.
function shortNames(names) {
  if (names.length < 2) return names.map(name => name.replace(/^.*[#.:/]/, ""));
  let length = 0;
  while (names.every(name => name.length > length + 1 && name[length] === names[0][length])) length++;
  const shared = names[0].slice(0, length), cut = shared.search(/[^#.:/_\-\s]*$/);
  return names.map(name => name.slice(cut));
}

// The numbers at the names' ends, where they tell the names apart.
function numbersOf(names) {
  const numbers = names.map(name => /\d+$/.exec(name)?.[0]);
  return numbers.every(Boolean) && new Set(numbers).size === new Set(names).size ? numbers : null;
}

function startTemplate() {
  const canvas = byId("template");
  canvas.addEventListener("mousemove", event => {
    const box = canvas.getBoundingClientRect(), x = event.clientX - box.left, y = event.clientY - box.top;
    const found = canvas.layout?.curves.find(({ box: [left, top, right, bottom] }) => x >= left - 4 && x <= right + 4 && y >= top - 6 && y <= bottom + 6);
    showTooltip(found ? `channel ${DATA.probe.ids[found.channel]}, at ${format(channelX(found.channel))}, ${format(channelY(found.channel))} µm` : null, event);
  });
  canvas.addEventListener("mouseleave", () => showTooltip(null));
}
