// Charts by uPlot (axes, ticks, zoom, cursor); what is drawn inside is ours: points by the ten thousand, bars, curves.
const WHOLE_STEPS = [0, 1, 2, 3, 4, 5, 6, 7, 8].flatMap(power => [1, 2, 5].map(factor => factor * 10 ** power));
const charts = new Map(); // element: its chart

// x, y: {range, label, areWhole, room}; draw(area) paints. Dragging along x zooms where `canZoom`, a double click goes back;
// `onZoom(range)` takes over both, with null for the double click.
function chart(box, { x, y, draw, canZoom = false, onZoom, right = 14, onMove, onClick }) {
  charts.get(box)?.destroy();
  box.replaceChildren();
  const rangeOfX = typeof x.range === "function" ? x.range : (_plot, low, high) => canZoom && high > low ? [low, high] : x.range;
  const made = new uPlot({
    width: box.clientWidth || 300, height: box.clientHeight || 200, padding: [8, right, 0, 0],
    legend: { show: false }, series: [{}, { paths: () => null, points: { show: false } }],
    cursor: { show: canZoom || Boolean(onMove), x: false, y: false, points: { show: false }, drag: { x: canZoom, y: false, setScale: !onZoom } },
    scales: { x: { time: false, range: rangeOfX }, y: { range: () => y.range } },
    axes: [axis(x, { size: 22, space: 62 }), axis(y, { size: (y.room ?? 46) - (y.label ? 15 : 0), space: 32 })],
    hooks: { draw: [plot => paint(plot, draw)], setSelect: onZoom ? [plot => zoomTo(plot, onZoom)] : [] },
  }, [typeof x.range === "function" ? x.range() : x.range, y.range], box);
  made.over.addEventListener("mouseleave", () => showTooltip(null));
  if (onZoom) made.over.addEventListener("dblclick", () => onZoom(null));
  if (onMove) made.over.addEventListener("mousemove", event => onMove(event, made));
  if (onClick) made.over.addEventListener("click", event => onClick(event, made));
  charts.set(box, made);
  box.chart = made;
  return made;
}

function zoomTo(plot, onZoom) {
  const { left, width } = plot.select;
  if (width < 4) return;
  plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
  onZoom([plot.posToVal(left, "x"), plot.posToVal(left + width, "x")]);
}

function axis({ label = "", areWhole = false, ticks }, { size, space }) {
  return {
    stroke: () => color("soft"), font: "11px system-ui, sans-serif", labelFont: "11px system-ui, sans-serif", gap: 3, space, size,
    label: label || null, labelSize: 15, labelGap: 0, grid: { show: false }, border: { show: true, stroke: () => color("line"), width: 1 },
    ticks: { stroke: () => color("line"), width: 1, size: 4 }, values: (_plot, values) => values.map(value => value === null ? "" : format(Number(value.toPrecision(12)))),
    ...(areWhole ? { incrs: WHOLE_STEPS } : {}), ...(ticks ? { splits: ticks } : {}),
  };
}

// What `draw` paints with: device pixels, clipped to the frame.
class Area {
  constructor(plot) {
    const { left, top, width, height } = plot.bbox, { x, y } = plot.scales;
    Object.assign(this, { plot, pen: plot.ctx, ratio: window.devicePixelRatio || 1, left, top, right: left + width, bottom: top + height, x: [x.min, x.max], y: [y.min, y.max] });
    this.perX = width / (x.max - x.min);
    this.perY = height / (y.max - y.min);
  }
  px(value) { return this.left + (value - this.x[0]) * this.perX; }
  py(value) { return this.bottom - (value - this.y[0]) * this.perY; }

  // No bar is lower than `lowest` pixels, so that a single count is still seen.
  bars(edges, counts, fill, lowest = 1) {
    const least = lowest * this.ratio, ground = this.py(0);
    this.pen.fillStyle = fill;
    for (let i = 0; i < counts.length; i++) {
      if (!counts[i]) continue;
      const from = this.px(edges[i]), to = this.px(edges[i + 1]), high = Math.max(least, ground - this.py(counts[i]));
      this.pen.fillRect(from, ground - high, Math.max(this.ratio, to - from - (to - from > 4 * this.ratio ? this.ratio : 0)), high);
    }
  }

  line(xs, ys, stroke, width = 1.5, alpha = 1, dash = []) {
    const pen = this.pen;
    pen.strokeStyle = stroke; pen.lineWidth = width * this.ratio; pen.globalAlpha = alpha; pen.lineJoin = "round"; pen.setLineDash(dash.map(length => length * this.ratio));
    pen.beginPath();
    for (let i = 0; i < ys.length; i++) pen.lineTo(this.px(xs[i]), this.py(ys[i]));
    pen.stroke();
    pen.globalAlpha = 1; pen.setLineDash([]);
  }

  points(xs, ys, fill, size = 2.4, alpha = 1) {
    const side = size * this.ratio;
    this.pen.fillStyle = fill; this.pen.globalAlpha = alpha;
    for (let i = 0; i < xs.length; i++) this.pen.fillRect(this.px(xs[i]) - side / 2, this.py(ys[i]) - side / 2, side, side);
    this.pen.globalAlpha = 1;
  }

  dot(x, y, radius, fill, edge, width = 1) {
    this.pen.beginPath(); this.pen.arc(this.px(x), this.py(y), radius * this.ratio, 0, 2 * Math.PI);
    this.pen.fillStyle = fill; this.pen.fill();
    if (edge) { this.pen.strokeStyle = edge; this.pen.lineWidth = width * this.ratio; this.pen.stroke(); }
  }

  vertical(value, stroke, dash = [4, 3]) { this.line([value, value], this.y, stroke, 1.5, 1, dash); }
  horizontal(value, stroke, dash = [4, 3]) { this.line(this.x, [value, value], stroke, 1.5, 1, dash); }

  note(text, align = "right", row = 0) {
    const pen = this.pen, at = { left: this.left + 6 * this.ratio, right: this.right - 2 * this.ratio, center: (this.left + this.right) / 2 }[align];
    pen.font = `${11 * this.ratio}px system-ui, sans-serif`;
    pen.textAlign = align; pen.textBaseline = "top"; pen.fillStyle = color("text");
    pen.fillText(text, at, this.top + (2 + 14 * row) * this.ratio);
  }
}

function paint(plot, draw) {
  const area = new Area(plot);
  plot.ctx.save();
  plot.ctx.beginPath();
  plot.ctx.rect(area.left, area.top - 1, area.right - area.left + 1, area.bottom - area.top + 2);
  plot.ctx.clip();
  draw(area);
  plot.ctx.restore();
}

function noChart(box, text) {
  charts.get(box)?.destroy();
  charts.delete(box);
  box.replaceChildren(element("p", "nothing", text));
}

const topOf = (counts, others = []) => Math.max(1, ...counts, ...others) * 1.05;
